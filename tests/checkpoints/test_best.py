"""A run's best checkpoint, and choosing one by name, on checkpoints of a single number: that of their step."""

import os
from pathlib import Path

import keras
import pytest

from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.checkpoint import find_checkpoint, open_folder, open_run
from ugatit_tf.checkpoints.folder import Best, RunFolder
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.errors import RunError
from ugatit_tf.system import files


class Run:
    """Saves steps, some of them as the best."""

    def __init__(self, config):
        self.folder = RunFolder(config.run_checkpoint_dir)
        self.folder.save_config(config)
        with keras.name_scope("generator_A"):
            self.step = keras.Variable(0.0, name="kernel")
        self.writer = CheckpointWriter([self.step], config)

    def save(self, *steps):
        for step in steps:
            self.step.assign(step)
            self.writer.save(step)

    def keep(self, step, value=0.1):
        name = f"UGATIT_light.model-{step}"
        writer.keep_best(self.folder.path / name, Best(name, step, "l1", value, 0.2))

    def value(self, config, which):
        self.step.assign(-1)
        open_run(config, None, which).restore([self.step], strict=False)
        return float(self.step)


@pytest.fixture
def run(tiny_config):
    return Run(tiny_config)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_best_is_safe_from_rotation(run, tiny_config):
    run.save(1)
    run.keep(1)
    run.save(2, 3, 4, 5, 6, 7)
    assert sorted(map(int, run.folder.by_step())) == [1, 3, 4, 5, 6, 7]
    assert run.folder.best() == Best("UGATIT_light.model-1", 1, "l1", 0.1, 0.2)
    assert run.value(tiny_config, "best") == 1
    assert run.value(tiny_config, "1") == 1
    assert run.value(tiny_config, "5") == 5
    assert run.value(tiny_config, "newest") == 7
    assert open_folder(run.folder.path, which="best").step == 1
    assert find_checkpoint(tiny_config).checkpoint.step == 7  # to go on from


def test_a_better_one_takes_its_place(run):
    run.save(1, 2)
    run.keep(1)
    run.keep(2, 0.05)
    assert names(run.folder.path / "best") == [
        "UGATIT_light.model-2.data-00000-of-00001",
        "UGATIT_light.model-2.index",
        "best.json",
    ]
    assert run.folder.best().value == 0.05


def test_it_takes_no_room_as_long_as_the_run_has_it_too(run):
    run.save(1)
    run.keep(1)
    name = "UGATIT_light.model-1.index"
    assert (run.folder.path / name).samefile(run.folder.path / "best" / name)


def test_a_disk_without_links(run, tiny_config, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    run.save(1)
    run.keep(1)
    assert run.value(tiny_config, "best") == 1


@pytest.mark.parametrize("last", [1, 2, 3])
def test_whatever_moment_it_is_killed_at_there_is_an_intact_best(run, tiny_config, monkeypatch, last):
    run.save(1, 2)
    run.keep(1)
    moved = []

    class KilledError(BaseException):
        pass

    move = Path.replace

    def replace(self, target):
        if len(moved) == last:
            raise KilledError
        moved.append(target)
        move(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr(writer, "_tidy_best", lambda folder: None)
        if last < 3:
            patch.setattr(files.shutil, "rmtree", lambda *_, **__: None)
            with pytest.raises(KilledError):
                run.keep(2)
        else:
            run.keep(2)
    expected = 2 if last == 3 else 1
    assert run.value(tiny_config, "best") == expected
    assert len(names(run.folder.path / "best")) > 3
    writer.clear_leftovers(run.folder.path)
    assert len(names(run.folder.path / "best")) == 3
    assert run.value(tiny_config, "best") == expected


def test_a_full_disk_leaves_the_earlier_best(run, tiny_config, full_disk, monkeypatch):
    run.save(1, 2)
    run.keep(1)
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError()))
    with full_disk(after=8), pytest.raises(RunError, match="cannot write to"):
        run.keep(2)
    assert run.value(tiny_config, "best") == 1


def test_what_is_not_there_is_named(run, tiny_config):
    run.save(3)
    with pytest.raises(RunError, match="has no best checkpoint: --keep_best keeps one"):
        open_run(tiny_config, None, "best")
    with pytest.raises(RunError, match=r"has no checkpoint of step 4; it has steps 3\.$"):
        open_folder(run.folder.path, which="4")
    (run.folder.path / "config.json").unlink()
    with pytest.raises(RunError, match="only its newest checkpoint can be opened, not best"):
        open_folder(run.folder.path, which="best")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"step": 3}'])
def test_a_damaged_note_is_one_line_and_no_hindrance_to_others(run, tiny_config, text):
    run.save(1)
    run.keep(1)
    (run.folder.path / "best" / "best.json").write_text(text)
    with pytest.raises(RunError, match=r"best\.json is damaged .*move its folder away"):
        open_run(tiny_config, None, "best")
    assert run.value(tiny_config, "newest") == 1


def test_a_damaged_checkpoint_that_is_asked_for_is_not_replaced_by_another(run, tiny_config):
    run.save(1, 2)
    (run.folder.path / "UGATIT_light.model-2.data-00000-of-00001").write_bytes(b"")
    with pytest.raises(RunError, match="model-2"):
        open_run(tiny_config, None, "2")
