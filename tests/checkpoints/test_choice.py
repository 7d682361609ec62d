import dataclasses

import pytest

from ugatit_tf import flags, phases
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError, UsageError

RUN = Config(dataset="mine", light=True, ch=8, lr=0.0002, epoch=7)


def parse(*arguments):
    return flags.parse(["main.py", *arguments], phases.table())


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "checkpoint"


@pytest.fixture
def make(root):
    """Makes a run's folder, which holds its configuration alone; returns its name."""

    def write(config=RUN, name=None, **changes):
        config = dataclasses.replace(config, **changes)
        folder = RunFolder(root / (name or config.model_dir))
        folder.save_config(config)
        return folder.path.name

    return write


@pytest.mark.parametrize("place", ["{}", "checkpoint/{}"])
@pytest.mark.parametrize("phase", ["test", "status", "export", "train"])
def test_a_named_run_gives_its_flags(make, place, phase):
    name = make()
    make(gan_type="hinge")
    assert parse("--phase", phase, "--run", place.format(name)).config == RUN


def test_what_may_change_is_changed(make):
    config = parse("--run", make(), "--lr", "0.5", "--epoch", "9", "--cache_dir", "here").config
    assert config == dataclasses.replace(RUN, lr=0.5, epoch=9, cache_dir="here")


@pytest.mark.parametrize(
    ("flag", "value", "was"),
    [("ch", "64", "8"), ("gan_type", "hinge", "lsgan"), ("dataset", "other", "mine"), ("light", "False", "True")],
)
def test_what_makes_the_run_cannot_be_changed(make, flag, value, was):
    name = make()
    with pytest.raises(UsageError) as error:
        parse("--phase", "test", "--run", name, f"--{flag}={value}")
    assert str(error.value) == (
        f"--run {name}: --{flag} is {value} but it was trained with {was}. Leave these flags out, or name another run."
    )


def test_a_light_run_takes_another_size_in_its_own_folder(make, root):
    name = make()
    config = parse("--phase", "test", "--run", name, "--img_size", "512").config
    assert (config.img_size, config.run_checkpoint_dir) == (512, root.relative_to(root.parent) / name)


def test_a_renamed_or_moved_run_keeps_its_folder(make, root):
    make(name="best")
    root.rename(root.with_name("old"))
    config = parse("--phase", "test", "--run", "old/best").config
    assert str(config.run_checkpoint_dir) == "old/best"
    assert config.model_dir == "best"
    assert dataclasses.replace(config, run="", checkpoint_dir="checkpoint") == RUN
    assert parse("--phase", "test", "--run", "best", "--checkpoint_dir", "old").config == config


def test_a_run_that_is_not_there_lists_those_that_are(make):
    name = make()
    with pytest.raises(RunError, match=f"--run x: there is no such run, nor is there checkpoint/x. There are {name}.$"):
        parse("--phase", "test", "--run", "x")
    with pytest.raises(RunError, match="There is none in nowhere at all.$"):
        parse("--phase", "test", "--run", "x", "--checkpoint_dir", "nowhere")


def test_a_run_without_its_configuration_cannot_be_named(root):
    (root / "old").mkdir(parents=True)
    (root / "old" / "UGATIT.model-7.index").touch()
    with pytest.raises(RunError, match="has no config.json; give the flags of the run instead.$"):
        parse("--run", "old")


def test_the_only_run_that_fits_is_taken_and_named(make):
    name = make()
    make(dataset="other")
    command = parse("--phase", "test", "--dataset", "mine")
    assert command.config == RUN
    assert command.note == f"Run: checkpoint/{name}, the only one that fits the flags."


@pytest.mark.parametrize("phase", ["train", "convert"])
def test_what_makes_a_run_looks_for_none(make, phase):
    make()
    more = ["--from_checkpoint", "x"] if phase == "convert" else []
    assert parse("--phase", phase, "--dataset", "mine", *more).config == Config(dataset="mine")


def test_where_several_fit_they_are_listed(make):
    names = sorted([make(), make(gan_type="hinge")])
    with pytest.raises(RunError) as error:
        parse("--phase", "test", "--dataset", "mine")
    assert str(error.value) == f"Several runs in checkpoint fit: give one as --run, of {', '.join(names)}."


def test_flags_that_name_a_run_need_not_repeat_the_rest(make):
    make()
    make(n_critic=2)
    command = parse("--phase", "test", "--dataset", "mine", "--light", "True")
    assert (command.config, command.note) == (RUN, "")
    # A contradiction is left to whoever opens the checkpoint, which says what it was trained with.
    assert parse("--phase", "test", "--dataset", "mine", "--light", "--ch", "9").config == Config(
        dataset="mine", light=True, ch=9
    )


def test_without_a_run_that_fits_the_flags_stand(make, root):
    make()
    (root / "damaged").mkdir()
    (root / "damaged" / "config.json").write_text("{")
    assert parse("--phase", "test", "--dataset", "other").config == Config(dataset="other")


def test_another_network_needs_no_run(make):
    make()
    command = parse("--phase", "translate", "--input", "a", "--output", "b", "--model", "c", "--dataset", "mine")
    assert (command.config, command.note) == (Config(dataset="mine"), "")
