import pytest
import tensorflow as tf

from ugatit_tf.data.sources.tfrecords import Part, Records

FIRST, SECOND = [b"zero", b"", b"two" * 1000, b"three"], [b"four", b"five"]


@pytest.fixture
def files(tmp_path):
    paths = tmp_path / "first", tmp_path / "second"
    for path, contents in zip(paths, (FIRST, SECOND), strict=True):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for content in contents:
                writer.write(content)
    return paths


def test_records_of_several_files_are_one_sequence(files):
    records = Records([Part(files[0], 0, 4), Part(files[1], 0, 2)])
    assert len(records) == 6
    assert [records[index] for index in (5, 0, 3, 1, 4, 2)] == [b"five", b"zero", b"three", b"", b"four", b"two" * 1000]


def test_a_part_of_a_file_may_come_twice(files):
    records = Records([Part(files[1], 1, 1), Part(files[0], 2, 2), Part(files[1], 0, 2)])
    assert [records[index] for index in range(len(records))] == [b"five", b"two" * 1000, b"three", b"four", b"five"]


def test_no_parts_no_records():
    assert len(Records([])) == 0


def test_a_file_is_opened_when_one_of_its_records_is_asked_for(files):
    files[0].unlink()
    records = Records([Part(files[0], 0, 4), Part(files[1], 0, 2)])
    assert records[4] == b"four"
    with pytest.raises(FileNotFoundError):
        records[0]


@pytest.mark.parametrize("left", [0, 11, 12, 31, 3067])
def test_what_a_cut_off_file_still_has_is_read(files, left):
    whole = files[0].read_bytes()
    assert len(whole) == 4 * 16 + 4 + 3000 + 5
    files[0].write_bytes(whole[:left])
    ends = [20, 36, 3052, 3073]
    records = Records([Part(files[0], 0, 4)])
    for index, end in enumerate(ends):
        if end <= left:
            assert records[index] == FIRST[index]
        else:
            with pytest.raises(EOFError, match=f"first has {sum(e <= left for e in ends)} records"):
                records[index]


def test_a_senseless_length_ends_a_file(files):
    files[0].write_bytes(b"\xff" * 100)
    with pytest.raises(EOFError, match="first has 0 records"):
        Records([Part(files[0], 0, 4)])[0]
