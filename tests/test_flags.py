import dataclasses

import pytest

from ugatit_tf import flags
from ugatit_tf.config import PRESETS, Config
from ugatit_tf.errors import UsageError

# The reference's, all of them.
DEFAULTS = {
    "phase": "train",
    "light": False,
    "dataset": "selfie2anime",
    "epoch": 100,
    "iteration": 10000,
    "batch_size": 1,
    "print_freq": 1000,
    "save_freq": 1000,
    "decay_flag": True,
    "decay_epoch": 50,
    "lr": 0.0001,
    "GP_ld": 10,
    "adv_weight": 1,
    "cycle_weight": 10,
    "identity_weight": 10,
    "cam_weight": 1000,
    "gan_type": "lsgan",
    "smoothing": True,
    "ch": 64,
    "n_res": 4,
    "n_dis": 6,
    "n_critic": 1,
    "sn": True,
    "img_size": 256,
    "img_ch": 3,
    "augment_flag": True,
    "checkpoint_dir": "checkpoint",
    "result_dir": "results",
    "log_dir": "logs",
    "sample_dir": "samples",
}


def parse(*arguments):
    return flags.parse(["main.py", *arguments])


def test_defaults_are_the_references():
    values = dataclasses.asdict(parse())
    assert {name: values[name] for name in DEFAULTS} == DEFAULTS


# Another valid value than the default for every flag of the reference.
OTHER = {
    "phase": "test",
    "dataset": "horse2zebra",
    "lr": 0.0002,
    "GP_ld": 5.5,
    "gan_type": "hinge",
    "n_dis": 5,
    "img_size": 128,
    "img_ch": 1,
} | {name: f"other_{name}" for name in ("checkpoint_dir", "result_dir", "log_dir", "sample_dir")}


@pytest.mark.parametrize("spelling", ["--{}={}", "--{} {}"])
@pytest.mark.parametrize("name", [name for name, default in DEFAULTS.items() if not isinstance(default, bool)])
def test_every_flag_sets_its_knob(name, spelling):
    value = OTHER.get(name, 7)
    assert value != DEFAULTS[name]
    assert parse(*spelling.format(name, value).split()) == dataclasses.replace(Config(), **{name: value})


BOOLEANS = [name for name, default in DEFAULTS.items() if isinstance(default, bool)]


@pytest.mark.parametrize("name", BOOLEANS)
@pytest.mark.parametrize(
    ("spelling", "value"),
    [
        ("--{}", True),
        ("--{}=true", True),
        ("--{}=True", True),
        ("--{} True", True),
        ("--{} true", True),
        ("-{} True", True),
        ("--no{}", False),
        ("--{}=False", False),
        ("--{} False", False),
        ("--{} false", False),
        ("-{} False", False),
    ],
)
def test_spellings_of_booleans(name, spelling, value):
    config = parse("--ch", "8", *spelling.format(name).split(), "--n_res", "2")
    assert config == dataclasses.replace(Config(), ch=8, n_res=2, **{name: value})


def test_the_references_example_commands():
    assert parse("--dataset", "selfie2anime", "--light", "True") == Config(light=True)
    assert parse("--light", "True", "--sn", "False", "--phase", "test") == Config(light=True, sn=False, phase="test")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--lihgt"], "lihgt"),
        (["--batchsize", "4"], "batchsize"),
        (["--ch", "two"], "--ch"),
        (["--ch=1.5"], "--ch"),
        (["--lr", "fast"], "--lr"),
        (["--lr", "nan"], "--lr"),
        (["--light", "maybe"], "--light"),
        (["--light=maybe"], "--light"),
        (["--nolight=true"], "nolight"),
        (["--ch"], "--ch"),
        (["--ch", "0"], "--ch 0"),
        (["--gan_type", "wgan"], "--gan_type wgan"),
        (["--phase", "tain"], "--phase tain"),
        (["--preset", "huge"], "--preset"),
        (["train"], "'train'"),
        (["--light", "True", "train"], "'train'"),
        (["--ch", "8", "16"], "'16'"),
        (["--", "train"], "'train'"),
    ],
)
def test_a_mistake_is_told_by_name_in_one_line(arguments, named):
    with pytest.raises(UsageError) as error:
        parse(*arguments)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_sets_its_flags(preset):
    assert parse("--preset", preset) == Config(**PRESETS[preset])


@pytest.mark.parametrize("spelling", ["--preset demo {}", "{} --preset=demo"])
@pytest.mark.parametrize(
    ("flag", "knob"),
    [
        ("--ch 8", {"ch": 8}),
        # Given explicitly, though the default.
        ("--ch 64", {"ch": 64}),
        ("--nolight", {"light": False}),
        ("--light False", {"light": False}),
        ("--img_size 128", {"img_size": 128}),
        ("--dataset mine", {"dataset": "mine"}),
    ],
)
def test_an_explicit_flag_wins_over_a_preset(spelling, flag, knob):
    assert parse(*spelling.format(flag).split()) == Config(**(PRESETS["demo"] | knob))


@pytest.mark.parametrize(
    ("arguments", "n_dis"),
    [
        ("--img_size 512", 6),
        ("--img_size 128", 6),
        ("--img_size 64", 5),
        ("--img_size 32", 4),
        ("--img_size 64 --n_dis 4", 4),
    ]
    + [("--preset demo", 5), ("--preset demo --img_size 32", 4), ("--preset demo --img_size 128", 5)],
)
def test_n_dis_is_lowered_for_small_images(arguments, n_dis):
    assert parse(*arguments.split()).n_dis == n_dis


def test_an_explicit_n_dis_is_never_lowered():
    with pytest.raises(UsageError, match="--img_size 64 is too small for --n_dis 6"):
        parse("--img_size", "64", "--n_dis", "6")


def test_images_too_small_for_any_n_dis_are_refused():
    with pytest.raises(UsageError, match="--img_size 20 is too small.*--img_size 24 or more"):
        parse("--img_size", "20")


def test_every_command_line_stands_alone():
    assert parse("--ch", "8").ch == 8
    assert parse() == Config()


def test_help_exits_with_0_and_names_every_flag(capsys):
    with pytest.raises(SystemExit) as leave:
        parse("--help")
    assert leave.value.code == 0
    printed = capsys.readouterr().out
    for field in dataclasses.fields(Config):
        assert f"--{field.name} {field.default}: {field.metadata['help']}" in printed
    assert "--preset" in printed
    assert all(preset in printed for preset in PRESETS)
