import dataclasses
import doctest
import json
import re
from pathlib import Path

import pytest

from ugatit_tf import config as module
from ugatit_tf.config import ARCHITECTURE, IDENTITY, Config
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.flags import PRESETS

GOLDEN = Path(__file__).parent / "golden"
OPTIONS = {field.name: field for field in dataclasses.fields(Config)}


def test_the_example_runs():
    results = doctest.testmod(module)
    assert results.attempted == 4
    assert not results.failed


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"light": True}, "UGATIT_light_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000_sn_smoothing"),
        ({"sn": False, "smoothing": False}, "UGATIT_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000"),
        (
            {"dataset": "x", "gan_type": "wgan-gp", "n_res": 2, "n_dis": 5, "n_critic": 3, "smoothing": False}
            | {"adv_weight": 0.5, "cycle_weight": 20, "identity_weight": 30.0, "cam_weight": 0},
            "UGATIT_x_wgan-gp_2resblock_5dis_3_0.5_20_30_0_sn",
        ),
        (
            {"cam_weight": 1_000_000, "sn": False},
            "UGATIT_selfie2anime_lsgan_4resblock_6dis_1_1_10_10_1000000_smoothing",
        ),
        # A folder name, wherever the dataset lies.
        ({"dataset": "tfds:a/b", "sn": False}, "UGATIT_tfds_a_b_lsgan_4resblock_6dis_1_1_10_10_1000_smoothing"),
    ],
)
def test_model_dir(values, expected):
    config = Config(**values)
    assert config.model_dir == expected
    assert config.run_checkpoint_dir == Path("checkpoint") / expected


@pytest.mark.parametrize("folder", [p.parent for p in sorted(GOLDEN.glob("*/config.json"))], ids=lambda p: p.name)
def test_model_dir_is_the_references(folder):
    flags = json.loads((folder / "config.json").read_text())
    config = Config(dataset="golden", **{name: value for name, value in flags.items() if name in OPTIONS})
    assert [p.name for p in (folder / "checkpoint").iterdir()] == [config.model_dir]
    assert list((folder / "checkpoint" / config.model_dir).glob(f"{config.model_name}.model-1.index"))


@pytest.mark.parametrize(
    ("values", "load_size"),
    [({}, 286), ({"img_size": 128}, 143), ({"augment_flag": False}, 256), ({"img_size": 512}, 527)],
)
def test_load_size(values, load_size):
    assert Config(**values).load_size == load_size


def test_total_steps():
    assert Config(epoch=3, iteration=7).total_steps == 21


@pytest.mark.parametrize("values", [{}, *PRESETS.values()], ids=["defaults", *PRESETS])
def test_defaults_and_presets_are_valid(values):
    Config(**values).validate()


def test_every_choice_of_splits_has_a_folder_of_its_own():
    parts = ("A=train[:50%]&B=train[50%:]", "A=train[50%:]&B=train[:50%]", f"A={'x' * 300}")
    folders = [Config(dataset=f"tfds:some/set?{part}").model_dir for part in parts]
    assert len(set(folders)) == 3
    assert folders[0].startswith("UGATIT_tfds_some_set_A_train_50_B_train_50_")
    assert all(re.fullmatch(r"[\w.-]{1,200}", folder) for folder in folders)


def test_json_round_trip():
    config = Config(light=True, dataset="größer", lr=1e-5, img_ch=1, cam_weight=0.1, n_dis=4, seed=2**31 - 1)
    assert Config.from_json(config.to_json()) == config
    assert list(json.loads(config.to_json())) == list(OPTIONS)


def test_a_configuration_of_an_earlier_version_loads():
    # It held the options of every phase too.
    text = '{"phase": "train", "light": true, "size": 128, "paste_back": true, "input_A": "", "export_dir": "export"}'
    assert Config.from_json(text) == Config(light=True)


def test_a_run_may_have_a_name_of_its_own():
    config = Config(light=True, run="best", checkpoint_dir="runs")
    assert config.model_dir == "best"
    assert config.run_checkpoint_dir == Path("runs/best")


def test_what_a_folder_is_named_after_makes_the_run():
    # Another value of any of these, and of no other, is another run or another network.
    others = {bool: lambda value: not value, int: lambda value: value + 4, float: lambda value: value + 1}
    named = {
        name
        for name, field in OPTIONS.items()
        if name not in ("run", "gan_type", "dataset")
        and field.type in others
        and Config(**{name: others[field.type](field.default)}).model_dir != Config().model_dir
    }
    assert named | {"gan_type", "dataset"} | ARCHITECTURE == IDENTITY


def test_a_whole_number_will_do_for_a_float():
    config = Config.from_json('{"cam_weight": 5}')
    assert config == Config(cam_weight=5.0)
    assert type(config.cam_weight) is float


def test_a_run_of_before_the_flag_flips_as_it_did():
    values = json.loads(Config(light=True).to_json())
    del values["flip"]
    assert Config.from_json(json.dumps(values)).flip is True


NAN, INF = float("nan"), float("inf")
AT_LEAST_ZERO = ("GP_ld", "adv_weight", "cycle_weight", "identity_weight", "cam_weight", "decay_epoch")
AT_LEAST_ONE = ("ch", "n_res", "epoch", "iteration", "batch_size", "n_critic")
FREQUENCIES = ("print_freq", "save_freq", "log_freq", "max_to_keep")
FOLDERS = ("dataset_dir", "checkpoint_dir", "sample_dir", "log_dir", "result_dir", "cache_dir")
INVALID = [
    *((name, -1) for name in AT_LEAST_ZERO),
    *((name, 0) for name in (*AT_LEAST_ONE, *FREQUENCIES)),
    *((name, value) for name, field in OPTIONS.items() if field.type is float for value in (NAN, INF, -INF)),
    *((name, "") for name in (*FOLDERS, "dataset")),
    # A wrong type.
    *((name, 1.5 if field.type is int else "1") for name, field in OPTIONS.items() if field.type is not str),
    *((name, 1) for name, field in OPTIONS.items() if field.type in (bool, str)),
    *((name, True) for name, field in OPTIONS.items() if field.type in (int, float)),
    *((name, None) for name in OPTIONS),
    ("dataset", "  "),
    ("gan_type", "wgan"),
    ("img_size", 30),
    ("img_size", 254),
    ("img_size", 0),
    ("img_size", -4),
    ("img_ch", 2),
    ("n_dis", 3),
    ("n_dis", 8),
    ("n_dis", 14284),  # whose image size would have more digits than Python prints
    ("lr", 0),
    ("lr", -1e-4),
    ("seed", -1),
    ("crop", "circle"),
    ("crop_A", "circle"),
    ("crop_B", "circle"),
    ("face_margin", -0.1),
    ("no_face", ""),
    ("seed", 2**31),
    ("ch", 1_000_000_000),
    ("n_res", 1_000_000_000),
]


@pytest.mark.parametrize(("name", "value"), INVALID)
def test_an_invalid_value_is_refused_by_name(name, value):
    with pytest.raises(UsageError, match=rf"--{name} ") as error:
        Config(**{name: value}).validate()
    message = str(error.value)
    assert f"{value}" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [("gan_type", "wgan", ("wgan-gp", "dragan")), ("img_ch", 2, ("1, 3, 4",))],
)
def test_an_unknown_choice_lists_the_known_ones(name, value, known):
    with pytest.raises(UsageError) as error:
        Config(**{name: value}).validate()
    assert all(choice in str(error.value) for choice in known)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "Expecting value"),
        ("{", "Expecting"),
        ("[]", ""),
        (100_000 * "[", "nested too deeply"),
        ("3", ""),
        ('{"chanels": 3}', "chanels"),
        ('{"ch": "64"}', "--ch"),
        ('{"lr": NaN}', "--lr"),
        ('{"img_size": 32, "n_dis": 6}', "--img_size 32"),
    ],
)
def test_a_damaged_configuration_file_is_named(text, part):
    with pytest.raises(RunError, match=r"^run/config\.json ") as error:
        Config.from_json(text, "run/config.json")
    assert part in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().ch = 3
