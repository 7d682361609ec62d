import dataclasses
from pathlib import Path

import pytest

from ugatit_tf import flags, phases
from ugatit_tf.config import Config
from ugatit_tf.errors import UsageError
from ugatit_tf.flags import PRESETS
from ugatit_tf.phases import prepare, test, train, translate

# The reference's, all of them but the phase.
DEFAULTS = {
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


def command(*arguments):
    return flags.parse(["main.py", *arguments], phases.table())


def parse(*arguments):
    return command(*arguments).config


def test_defaults_are_the_references():
    values = dataclasses.asdict(parse())
    assert {name: values[name] for name in DEFAULTS} == DEFAULTS


# Another valid value than the default for every flag of the reference.
OTHER = {
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
def test_every_flag_sets_its_option(name, spelling):
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
    found = command("--light", "True", "--sn", "False", "--phase", "test")
    assert (found.phase, found.config) == (test, Config(light=True, sn=False))
    assert command("--light", "True").phase is train


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
        (["--threads", "2"], "--threads 2: must be such as 2x1"),
        (["--threads", "0x1"], "--threads 0x1"),
        (["--phase", "status", "--threads", "2x1"], "--threads is no flag of --phase status"),
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
    ("flag", "option"),
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
def test_an_explicit_flag_wins_over_a_preset(spelling, flag, option):
    assert parse(*spelling.format(flag).split()) == Config(**(PRESETS["demo"] | option))


@pytest.mark.parametrize(
    ("arguments", "n_dis"),
    [
        ("--img_size 512", 6),
        ("--img_size 128", 6),
        ("--img_size 64", 5),
        ("--img_size 32", 4),
        ("--img_size 64 --n_dis 4", 4),
        ("--preset demo --img_size 128", 4),
    ],
)
def test_n_dis_is_lowered_for_small_images(arguments, n_dis):
    assert parse(*arguments.split()).n_dis == n_dis


def test_a_presets_n_dis_is_lowered_too(monkeypatch):
    monkeypatch.setitem(PRESETS["demo"], "n_dis", 6)
    assert parse("--preset", "demo", "--img_size", "32").n_dis == 4


def test_an_explicit_n_dis_is_never_lowered():
    with pytest.raises(UsageError, match="--img_size 64 is too small for --n_dis 6"):
        parse("--img_size", "64", "--n_dis", "6")


def test_images_too_small_for_any_n_dis_are_refused():
    with pytest.raises(UsageError, match="--img_size 20 is too small.*--img_size 24 or more"):
        parse("--img_size", "20")


def test_every_command_line_stands_alone():
    assert parse("--ch", "8").ch == 8
    assert parse() == Config()


TRANSLATE = ["--phase", "translate", "--input", "a", "--output", "b"]


def test_a_phase_gets_its_own_options():
    found = command(*TRANSLATE, "--paste_back", "--ch", "8")
    assert found.phase is translate
    assert found.options == translate.Options(input="a", output="b", paste_back=True)
    assert found.config == Config(ch=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "128"], "--size is no flag of --phase train, but of --phase prepare."),
        (["--paste_back"], "--paste_back is no flag of --phase train, but of --phase translate."),
        (
            ["--phase", "test", "--overwrite"],
            "--overwrite is no flag of --phase test, but of --phase export, translate.",
        ),
        ([*TRANSLATE, "--input_A", "c"], "--input_A is no flag of --phase translate, but of --phase prepare."),
        (
            ["--phase", "prepare", "--input_A", "a", "--input_B", "b", "--nolight"],
            "--light is no flag of --phase prepare",
        ),
    ],
)
def test_a_flag_of_another_phase_is_refused_with_the_phase_that_takes_it(arguments, message):
    with pytest.raises(UsageError) as error:
        command(*arguments)
    assert message in str(error.value)


def help_of(capsys, *arguments):
    with pytest.raises(SystemExit) as leave:
        parse(*arguments, "--help")
    assert leave.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_flag_of_every_phase(capsys):
    printed = help_of(capsys)
    everything = [field for phase in phases.table().values() for field in dataclasses.fields(phase.Options)]
    for field in [*dataclasses.fields(Config), *everything]:
        default = f" {field.default}" if field.default != "" else ""
        assert f"--{field.name}{default}: {field.metadata['help']}" in printed
    for name, phase in phases.table().items():
        assert f"--phase {name}" in printed
        assert flags.summary(phase) in printed
    assert "--preset" in printed
    assert all(preset in printed for preset in PRESETS)


def test_help_groups_the_flags(capsys):
    paragraphs = help_of(capsys).split("\n\n")
    (network,) = [text for text in paragraphs if text.startswith("The network:")]
    names = ("light", "ch", "n_res", "n_dis", "img_size", "img_ch", "smoothing", "sn", "cam_heads", "unbiased")
    assert [line.split()[0] for line in network.splitlines()[1:]] == [f"--{name}" for name in names]


def test_help_behind_a_phase_shows_what_it_takes(capsys):
    printed = help_of(capsys, "--phase", "prepare")
    assert "--input_A" in printed
    assert "--face_margin" in printed
    assert not any(f"--{name}" in printed for name in ("light ", "lr ", "export_format", "paste_back"))
    assert set(flags.taken_by(prepare.Options)) >= {"input_A", "crop_A", "seed"}


PHASE = '''
"""`--phase greet`: says something."""
import dataclasses
from pathlib import Path
from ugatit_tf.options import PhaseOptions, at_least, option

@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    whom: str = option("world", "who is greeted")
    times: int = option(1, "how often", at_least(1))

def run(config, options):
    print(options.times * f"Hello {options.whom}, {config.dataset}! ")
'''


def test_a_new_phase_is_one_new_file(tmp_path, monkeypatch, capsys):
    (tmp_path / "greet.py").write_text(PHASE)
    monkeypatch.setattr(phases, "__path__", [*phases.__path__, str(tmp_path)])
    found = command("--phase", "greet", "--times", "2", "--dataset", "mine")
    found.phase.run(found.config, found.options)
    assert capsys.readouterr().out == "Hello world, mine! Hello world, mine! \n"
    with pytest.raises(UsageError, match="--times 0: must be at least 1"):
        command("--phase", "greet", "--times", "0")
    with pytest.raises(UsageError, match="--whom is no flag of --phase test, but of --phase greet"):
        command("--phase", "test", "--whom", "you")
    assert "--phase greet: says something." in help_of(capsys)


@pytest.mark.parametrize(
    ("dataset", "name"),
    [
        ("mine/", "mine"),
        ("./mine", "mine"),
        ("dataset/mine/", "mine"),
        ("./dataset/mine", "mine"),
        ("a//b/", "a/b"),
        ("dataset", "dataset"),
        ("demo/", "demo"),
        ("tfds:cycle_gan/horse2zebra", "tfds:cycle_gan/horse2zebra"),
    ],
)
def test_all_spellings_of_a_dataset_mean_one_run(dataset, name):
    assert parse("--dataset", dataset) == Config(dataset=name) == Config(dataset=dataset)
    assert parse("--dataset", dataset).model_dir == Config(dataset=name).model_dir


def test_a_dataset_may_be_given_with_its_folders_whole_path():
    assert Config(dataset_dir="/data/sets", dataset="/data/sets/mine").dataset == "mine"
    assert Config(dataset_dir="/data/sets", dataset="/data/other").dataset_root == Path("/data/other")


PATHS = {
    name: phase
    for phase, module in phases.table().items()
    for name, field in flags.taken_by(module.Options).items()
    if field.metadata["is_path"]
}


def test_the_flags_that_are_paths_are_marked():
    folders = {
        "dataset",
        "checkpoint_dir",
        "sample_dir",
        "log_dir",
        "result_dir",
        "cache_dir",
        "data_dir",
        "dataset_dir",
    }
    files = {"input", "output", "input_A", "input_B", "model", "features", "fakes", "reals", "compare", "web_runtime"}
    others = {"run", "assets", "export_dir", "from_checkpoint", "to_checkpoint"}
    assert set(PATHS) == folders | files | others


@pytest.mark.parametrize("name", PATHS)
def test_the_home_folder_is_found_however_a_flag_is_spelt(name, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    config = Config(**{name: "~/x/"}) if hasattr(Config, name) else None
    options = phases.table()[PATHS[name]].Options
    found = getattr(config or options(**{name: "~/x/"}), name)
    assert found == "/home/me/x"


@pytest.mark.parametrize("address", ["hf://me/mine", "gs://bucket/a/", "", "C:/x"])
def test_addresses_stay_as_they_are(address):
    assert translate.Options(model=address).model == address
