import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ugatit_tf.errors import RunError
from ugatit_tf.runs import event_files


def write(folder, steps, name=""):
    writer = tf.summary.create_file_writer(str(folder), filename_suffix=name)
    with writer.as_default():
        for step in steps:
            tf.summary.scalar("loss", 10.0 * step, step=step)
            tf.summary.image("grid", tf.zeros((1, 50, 50, 3)), step=step)
    writer.close()


def read(folder, tag="loss"):
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return [event.step for event in events.Tensors(tag)] if tag in events.Tags()["tensors"] else []


def test_later_points_go_and_the_others_stay(tmp_path):
    write(tmp_path, range(1, 6), ".1")
    write(tmp_path, range(6, 9), ".2")
    event_files.cut(tmp_path, 6)
    assert read(tmp_path) == read(tmp_path, "grid") == [1, 2, 3, 4, 5, 6]
    write(tmp_path, range(7, 9), ".3")
    assert read(tmp_path) == read(tmp_path, "grid") == [1, 2, 3, 4, 5, 6, 7, 8]
    event_files.cut(tmp_path, 3)  # to an earlier checkpoint still
    assert read(tmp_path) == [1, 2, 3]
    event_files.cut(tmp_path, 0)
    assert read(tmp_path) == []


def test_a_file_without_later_points_is_left_alone(tmp_path):
    write(tmp_path, range(1, 4))
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    event_files.cut(tmp_path, 3)
    assert path.read_bytes() == before


@pytest.mark.parametrize("lost", [1, 4, 30, 100])
def test_a_file_whose_writer_was_killed_is_cut_too(tmp_path, lost):
    write(tmp_path, range(1, 6))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-lost])
    event_files.cut(tmp_path, 9)
    assert read(tmp_path)[:4] == [1, 2, 3, 4]
    event_files.cut(tmp_path, 2)
    assert read(tmp_path) == [1, 2]


@pytest.mark.parametrize("data", [b"", b"short", b"\xff" * 500, b"\x04" + bytes(11) + b"\xff\xff\xff\xff" + bytes(99)])
def test_what_is_no_event_file_is_left_alone(tmp_path, data):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(data)
    event_files.cut(tmp_path, 0)
    assert path.read_bytes() == data


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "events.out.tfevents.1").mkdir()
    with pytest.raises(RunError, match=r"after step 3 out of .*tfevents\.1: Is a directory"):
        event_files.cut(tmp_path, 3)
