import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints import bundle
from ugatit_tf.checkpoints.bundle import Bundle, DamagedError
from ugatit_tf.checkpoints.folder import find_prefix, step_in_name
from ugatit_tf.errors import RunError

VALUES = {"a/b": np.float32([[1, 2], [3, 4]]), "count": np.int64(7)}
HELD = 4 * 4 + 8
DATA, INDEX = ".data-00000-of-00001", ".index"


@pytest.fixture
def prefix(tmp_path):
    prefix = tmp_path / "run" / "net.model-3"
    bundle.write(prefix, VALUES)
    return prefix


def part(prefix, suffix):
    return prefix.with_name(prefix.name + suffix)


def test_round_trip(prefix):
    written = Bundle(prefix)
    assert written.shapes == {"a/b": (2, 2), "count": ()}
    assert step_in_name(written.prefix) == 3
    assert not written.object_based
    for name, value in VALUES.items():
        np.testing.assert_array_equal(written.read(name), value)
        assert tf.train.load_checkpoint(str(prefix)).get_tensor(name).dtype == value.dtype


def test_the_state_file_names_the_newest_and_lists_all(prefix):
    bundle.write(prefix.with_name("net.model-10"), VALUES)
    state = tf.train.get_checkpoint_state(str(prefix.parent))
    assert state.model_checkpoint_path == str(prefix.with_name("net.model-10"))
    assert [path.rpartition("-")[2] for path in state.all_model_checkpoint_paths] == ["3", "10"]
    assert {path.name for path in prefix.parent.iterdir()} == {
        "checkpoint",
        *(f"net.model-{step}{suffix}" for step in (3, 10) for suffix in (DATA, INDEX)),
    }


@pytest.mark.parametrize("path", ["", "net.model-3", "net.model-3" + INDEX, "net.model-3" + DATA])
def test_a_folder_a_prefix_or_a_file_of_it_will_do(prefix, path):
    assert find_prefix(prefix.parent / path) == prefix


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ('model_checkpoint_path: "/gone/net.model-3"\nall_model_checkpoint_paths: "/gone/net.model-10"\n', 3),
        ('model_checkpoint_path: "C:\\gone\\net.model-3"\n', 3),
        ('model_checkpoint_path: "net.model-9"\n', 10),
        ("\udcff not text", 10),
    ],
)
def test_of_a_state_file_only_the_base_name_counts_and_without_it_the_highest_step(prefix, state, found):
    bundle.write(prefix.with_name("net.model-10"), VALUES)
    (prefix.parent / "checkpoint").write_bytes(state.encode(errors="surrogateescape"))
    assert find_prefix(prefix.parent) == prefix.with_name(f"net.model-{found}")


def test_no_checkpoint_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no checkpoint")
    for path, message in (("empty", "holds no checkpoint"), ("notes.txt", "is no checkpoint"), ("x/y", "There is no")):
        with pytest.raises(RunError, match=message):
            find_prefix(tmp_path / path)


@pytest.mark.parametrize("length", [0, HELD - 1])
def test_missing_bytes_are_counted(prefix, length):
    part(prefix, DATA).write_bytes(part(prefix, DATA).read_bytes()[:length])
    with pytest.raises(RunError, match=f"is damaged: its data has {length} bytes, its index asks for {HELD}"):
        Bundle(prefix)


def test_a_missing_data_file_is_no_bytes(prefix):
    part(prefix, DATA).unlink()
    with pytest.raises(RunError, match=f"has 0 bytes, its index asks for {HELD}"):
        Bundle(prefix)


@pytest.mark.parametrize("content", [b"", b"hello" * 50])
def test_a_damaged_index_is_told_with_its_size(prefix, content):
    part(prefix, INDEX).write_bytes(content)
    with pytest.raises(RunError, match=f"is damaged, or not of a checkpoint: .* its {len(content)} bytes"):
        Bundle(prefix)


def test_changed_bytes_are_found_by_their_checksum(prefix):
    part(prefix, DATA).write_bytes(b"x" * HELD)
    opened = Bundle(prefix)
    with pytest.raises(RunError, match=r"is damaged \(a/b is not what was written\)"):
        opened.read("a/b")


def test_a_missing_variable_and_another_rank_are_named(prefix):
    for name, rank, message in (("c", 1, "no variable c"), ("a/b", 4, r"a/b with shape \[2, 2\]; 4 axes")):
        with pytest.raises(RunError, match=message):
            Bundle(prefix).shape(name, rank)


def test_a_full_disk_leaves_all_as_it_was(prefix, tmp_path, full_disk):
    before = {path.name: path.read_bytes() for path in prefix.parent.iterdir()}
    for target in (prefix.with_name("net.model-4"), tmp_path / "new" / "net.model-4"):
        with full_disk(after=10_000), pytest.raises(RunError, match="cannot write"):
            bundle.write(target, {"large": np.zeros(10_000, np.float32)})
    assert {path.name: path.read_bytes() for path in prefix.parent.iterdir()} == before
    assert not (tmp_path / "new").exists()


def test_a_place_where_nothing_can_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot make the folder"):
        bundle.write(tmp_path / "file" / "net.model-4", VALUES)


@pytest.mark.parametrize("size", [b"\xff\xff\x03", b"\xff\xff\xff\xff\xff\xff\x03"], ids=["64 KB", "2 PB"])
def test_an_index_that_points_to_more_than_there_is_is_damaged(prefix, size):
    path = part(prefix, INDEX)
    data = path.read_bytes()
    # The footer: two blocks, each by its place and its size, up to a mark of 8 bytes.
    path.write_bytes(data[:-48] + (b"\0\1\0" + size).ljust(40, b"\0") + data[-8:])
    with pytest.raises(RunError, match="is damaged, or not of a checkpoint"):
        Bundle(prefix)


def everything(prefix):
    opened = Bundle(prefix)
    opened.verify()
    return {
        name: (opened.shapes[name], opened.dtypes[name], np.array(opened.read(name)).tolist()) for name in opened.shapes
    }


@pytest.mark.parametrize("suffix", [DATA, INDEX])
def test_a_flipped_bit_is_found_or_harmless(tmp_path, suffix):
    prefix = tmp_path / "net.model-3"
    bundle.write(prefix, VALUES | {"graph": tf.constant("some text"), "names": tf.constant(["a", "b"])})
    written, path = everything(prefix), part(prefix, suffix)
    content = path.read_bytes()
    found = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        try:
            assert everything(prefix) == written
        except DamagedError:
            found += 1
    assert found >= len(content) - (64 if suffix == INDEX else 0)  # an index has an empty block, and padding


def test_only_what_is_asked_for_is_verified(prefix):
    data = part(prefix, DATA)
    data.write_bytes(data.read_bytes()[:16] + b"x" * 8)  # `count` lies behind the four floats
    Bundle(prefix).verify(["a/b"])
    with pytest.raises(DamagedError, match="count is not what was written"):
        Bundle(prefix).verify()
