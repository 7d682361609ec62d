"""What is found, saved and deleted in a run's folder, on checkpoints of a single number: that of their step."""

import dataclasses
import re
import shutil
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.bundle import Bundle
from ugatit_tf.checkpoints.checkpoint import find_checkpoint, open_run
from ugatit_tf.checkpoints.folder import RunFolder, step_in_name
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.errors import RunError

DATA, INDEX = ".data-00000-of-00001", ".index"


class Run:
    """Saves and restores a variable that holds the step, and one of a generator."""

    def __init__(self, config, damaged=(), waits=()):
        self.config = config
        self.folder = config.run_checkpoint_dir
        self.step = keras.Variable(0, dtype="int64", name="discriminator_step")
        with keras.name_scope("generator_A"):
            self.kernel = keras.Variable([0.0] * 8, name="kernel")
        self.writer = CheckpointWriter([self.step, self.kernel], config, damaged, waits)

    def save(self, *steps):
        for step in steps:
            self.step.assign(step)
            self.kernel.assign([step] * 8)
            prefix = self.writer.save(step)
        return prefix

    def steps(self):
        return [step_in_name(prefix) for prefix in RunFolder(self.config.run_checkpoint_dir).checkpoints()]


def part(prefix, suffix):
    return prefix.with_name(prefix.name + suffix)


def damage(prefix, number=None):
    """Changes a bit of the checkpoint's first byte, or of `number` in the generator's variable."""
    path = part(prefix, DATA)
    content = bytearray(path.read_bytes())
    content[0 if number is None else content.index(np.full(8, number, np.float32).tobytes())] ^= 1
    path.write_bytes(content)
    return prefix


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def found_step(config):
    """The step that is in the checkpoint found, not the one in its name."""
    restored = Run(config)
    open_run(config, directions=None).restore([restored.step, restored.kernel], strict=True)
    assert restored.kernel.numpy().tolist() == [int(restored.step)] * 8
    return int(restored.step)


def test_the_newest_is_by_step_and_survives_a_move(tiny_config, tmp_path):
    assert find_checkpoint(tiny_config) == (None, ())
    (run := Run(tiny_config)).save(9, 10)  # "10" sorts before "9" as text
    assert run.steps() == [10, 9]
    moved = dataclasses.replace(tiny_config, checkpoint_dir=str(tmp_path / "moved"))
    shutil.move(tiny_config.checkpoint_dir, moved.checkpoint_dir)
    assert open_run(moved, directions=None).prefix == moved.run_checkpoint_dir / "UGATIT_light.model-10"
    assert found_step(moved) == 10


@pytest.mark.parametrize(
    "state", [b"", b'model_checkpoint_path: "UGATIT_li', b'model_checkpoint_path: "/gone/x-9"\n', None]
)
def test_the_state_file_may_be_damaged_or_missing(tiny_config, state):
    config = dataclasses.replace(tiny_config, max_to_keep=2)
    run = Run(config)
    run.save(1, 2)
    if state is None:
        (run.folder / "checkpoint").unlink()
    else:
        (run.folder / "checkpoint").write_bytes(state)
    assert found_step(config) == 2
    Run(config).save(3)
    assert run.steps() == [3, 2]
    assert tf.train.latest_checkpoint(str(run.folder)) == str(run.folder / "UGATIT_light.model-3")
    assert len(tf.train.get_checkpoint_state(str(run.folder)).all_model_checkpoint_paths) == 2


def test_keeps_the_newest(tiny_config):
    config = dataclasses.replace(tiny_config, max_to_keep=2)
    run = Run(config)
    run.save(1, 2)
    part(run.folder / "UGATIT_light.model-0", DATA).write_bytes(b"left by a killed deletion")
    Run(config).save(3)  # a resumed run forgets what the first one left
    assert set(contents(run.folder)) == {
        "checkpoint",
        *(f"UGATIT_light.model-{step}{suffix}" for step in (2, 3) for suffix in (INDEX, DATA)),
    }


@pytest.mark.parametrize(("suffix", "length"), [(DATA, 0), (DATA, 70), (INDEX, 0), (INDEX, 100), (DATA, None)])
def test_a_damaged_newest_is_named_and_the_one_before_it_used(tiny_config, caplog, suffix, length):
    run = Run(tiny_config)
    newest = run.save(1, 2, 3)
    path = part(newest, suffix)
    if length is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:length])
    before = contents(run.folder)
    found = find_checkpoint(tiny_config)
    assert (found.checkpoint.prefix, found.damaged) == (run.folder / "UGATIT_light.model-2", (newest,))
    assert re.search(rf"^Skipping a checkpoint: .*{newest.name}.*damaged.*before it\.$", caplog.messages[0])
    assert found_step(tiny_config) == 2
    assert contents(run.folder) == before


def test_only_the_networks_that_are_needed_have_to_be_intact(tiny_config):
    damage(Run(tiny_config).save(1, 2), number=2)
    for directions, step in ((None, 1), (["A2B", "B2A"], 1), (["A2B"], 2)):
        assert find_checkpoint(tiny_config, directions).checkpoint.step == step, directions


def test_all_damaged_is_refused_in_one_line_and_nothing_changed(tiny_config, caplog):
    run = Run(tiny_config)
    run.save(1, 2)
    for prefix in RunFolder(tiny_config.run_checkpoint_dir).checkpoints():
        damage(prefix)
    before = contents(run.folder)
    with pytest.raises(RunError, match=r"no intact checkpoint: .*model-2 is damaged .*model-1 is damaged") as error:
        find_checkpoint(tiny_config)
    assert "\n" not in str(error.value)
    assert not caplog.messages
    assert contents(run.folder) == before


def test_a_run_goes_on_over_a_damaged_checkpoint_and_keeps_the_intact_ones(tiny_config):
    config = dataclasses.replace(tiny_config, max_to_keep=2)
    Run(config).save(1, 2)
    (run := Run(dataclasses.replace(config, max_to_keep=3))).save(4)
    damage(run.folder / "UGATIT_light.model-4")
    found = find_checkpoint(config)
    resumed = Run(config, found.damaged)
    resumed.save(3)
    assert run.steps() == [4, 3, 2]  # the damaged one does not count, and stays until the run has passed it
    assert found_step(config) == 3
    resumed.save(5)
    assert run.steps() == [5, 3]
    assert found_step(config) == 5


def test_the_same_step_saved_again_replaces_a_damaged_checkpoint(tiny_config):
    config = dataclasses.replace(tiny_config, max_to_keep=2)
    newest = damage(Run(config).save(1, 2))
    run = Run(config, find_checkpoint(config).damaged)
    assert run.save(2) == newest
    assert run.steps() == [2, 1]
    assert found_step(config) == 2
    run.save(3)
    assert run.steps() == [3, 2]


class Snapshots:
    """Copies of a folder as it is before each change that Python makes in it: what a kill may leave."""

    CHANGES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")

    def __init__(self, folder, target):
        self.folder, self.target, self.active, self.count = folder, target, False, 0
        sys.addaudithook(self._hook)  # there is no way to remove one

    def _hook(self, event, arguments):
        if self.active and event in self.CHANGES and str(self.folder) in str(arguments[0]):
            self.active = False
            shutil.copytree(self.folder, self.target / str(self.count))
            self.count += 1
            self.active = True


@pytest.mark.parametrize("keep", [1, 2])
def test_a_kill_at_any_moment_of_a_save_leaves_an_intact_checkpoint(tiny_config, tmp_path, keep):
    config = dataclasses.replace(tiny_config, max_to_keep=keep)
    run = Run(config)
    run.save(1, 2)
    snapshots = Snapshots(run.folder, tmp_path / "snapshots")
    snapshots.active = True
    run.save(3)
    snapshots.active = False
    assert snapshots.count > 8
    seen = set()
    for index in range(snapshots.count):
        killed = dataclasses.replace(config, checkpoint_dir=str(tmp_path / f"killed{index}"))
        shutil.copytree(tmp_path / "snapshots" / str(index), killed.run_checkpoint_dir)
        seen.add(found_step(killed))
        for prefix in RunFolder(killed.run_checkpoint_dir).checkpoints():
            Bundle(prefix).verify()
        writer.clear_leftovers(killed.run_checkpoint_dir)
        resumed = Run(killed)
        resumed.save(4)
        assert len(resumed.steps()) == keep
        assert all(re.match(r"checkpoint$|UGATIT_light\.model-\d+\.", name) for name in contents(resumed.folder))
    assert seen == {2, 3}


def test_leftovers_of_a_killed_save_are_cleared_and_nothing_else(tiny_config, tmp_path):
    writer.clear_leftovers(tmp_path / "no folder")
    run = Run(tiny_config)
    run.save(1)
    (run.folder / "config.json").write_text("{}")
    (run.folder / "notes.tmp").write_text("a user's")
    before = contents(run.folder)
    for name in (".0123456789abcdef0123456789abcdef.tmp", "UGATIT_light.model-2_temp"):
        (run.folder / name).mkdir()
        (run.folder / name / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    (run.folder / ".fedcba98765432100123456789abcdef.tmp").write_bytes(b"half")
    (run.folder / "checkpoint.tmpd3adbeef").write_bytes(b"half")
    (run.folder / "UGATIT_light.model-2.index.tempstate123").write_bytes(b"half")
    writer.clear_leftovers(run.folder)
    assert contents(run.folder) == before


def test_a_full_disk_is_tried_again_and_then_told_in_one_line(tiny_config, full_disk, caplog, monkeypatch):
    run = Run(tiny_config, waits=(1, 5))
    run.save(1)
    before = contents(run.folder)
    slept = []
    monkeypatch.setattr(writer.time, "sleep", slept.append)
    with full_disk(after=50), pytest.raises(RunError) as error:
        run.save(2)
    assert str(error.value) == f"Cannot save to {run.folder}: File too large."
    assert slept == [1, 5]
    assert caplog.messages == [f"{error.value} Trying again in {wait} s." for wait in slept]
    assert contents(run.folder) == before
    assert found_step(tiny_config) == 1


def test_a_disk_that_was_full_for_a_while_stops_nothing(tiny_config, full_disk, monkeypatch):
    run = Run(tiny_config, waits=(1, 5))
    run.save(1)
    limit = full_disk(after=50)
    limit.__enter__()
    monkeypatch.setattr(writer.time, "sleep", lambda _: limit.__exit__(None, None, None))
    run.save(2)
    assert found_step(tiny_config) == 2


def test_a_folder_that_is_gone_is_made_again_and_a_file_in_its_place_is_told(tiny_config):
    run = Run(tiny_config)
    run.save(1)
    shutil.rmtree(run.folder)
    run.save(2)
    assert found_step(tiny_config) == 2
    shutil.rmtree(run.folder)
    run.folder.write_text("in the way")
    with pytest.raises(RunError, match="cannot make the folder"):
        run.save(3)


def test_a_checkpoint_that_cannot_be_deleted_stops_nothing(tiny_config, monkeypatch, caplog):
    config = dataclasses.replace(tiny_config, max_to_keep=1)
    run = Run(config)
    run.save(1)

    def refuse(path, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writer.Path, "unlink", refuse)
    run.save(2)
    assert "Cannot delete" in caplog.text
    assert "model-1.index: Permission denied" in caplog.text
    assert found_step(config) == 2
