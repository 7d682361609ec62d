import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from ugatit_tf.checkpoints import bundle, tf1
from ugatit_tf.checkpoints.bundle import Bundle
from ugatit_tf.checkpoints.folder import find_prefix
from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.errors import RunError, UsageError

GOLDEN = Path(__file__).parent.parent / "golden"
OFF_THE_NAME = ("dataset", "gan_type", "adv_weight", "cycle_weight", "identity_weight", "cam_weight", "n_critic")


def recorded(folder):
    options = {field.name for field in dataclasses.fields(Config)}
    flags = json.loads((folder / "config.json").read_text())
    return Config(dataset="golden", **{name: value for name, value in flags.items() if name in options})


def write(tmp_path, folder="anywhere", **changes):
    """A checkpoint of shapes alone: the variables that tell of the network."""
    shapes = {"conv/conv2d/kernel": (7, 7, 3, 2), "MLP/linear_0/dense/kernel": (8, 8), "resblock_0/x": ()} | changes
    prefix = tmp_path / folder / "UGATIT.model-3"
    bundle.write(prefix, {f"generator_B/{name}": np.zeros(shape, np.float32) for name, shape in shapes.items()})
    return Bundle(prefix)


@pytest.mark.parametrize("folder", [p.parent for p in sorted(GOLDEN.glob("*/config.json"))], ids=lambda p: p.name)
def test_every_recording_tells_what_it_was_recorded_with(folder):
    expected = recorded(folder)
    (run,) = (folder / "checkpoint").iterdir()
    # A light network has any size, so that only flags tell.
    found, _ = tf1.read_config(Bundle(find_prefix(run)), Config(img_size=32) if expected.light else Config())
    for name in (*ARCHITECTURE, *OFF_THE_NAME):
        assert getattr(found, name) == getattr(expected, name), name
    assert found.model_dir == run.name


def test_generators_alone_take_the_discriminators_from_the_folders_name(tmp_path):
    source = write(tmp_path, "UGATIT_light_a_b_wgan-gp_4resblock_5dis_3_0.5_20_30_0_sn")
    found, text = tf1.read_config(source, Config(sn=False, lr=0.5))
    assert not tf1.has_discriminators(source)
    assert (found.light, found.ch, found.n_res, found.img_ch) == (True, 2, 1, 3)
    assert (found.dataset, found.gan_type, found.n_dis, found.n_critic) == ("a_b", "wgan-gp", 5, 3)
    assert (found.adv_weight, found.cycle_weight, found.identity_weight, found.cam_weight) == (0.5, 20, 30, 0)
    assert (found.sn, found.smoothing, found.lr) == (True, False, 0.5)
    assert "from the folder's name: dataset a_b, n_dis 5, smoothing False, sn True, gan_type wgan-gp" in text


def test_another_name_leaves_them_to_the_flags(tmp_path):
    flags = Config(dataset="mine", gan_type="hinge", smoothing=False, sn=False, n_dis=5)
    found, text = tf1.read_config(write(tmp_path), flags)
    assert found == dataclasses.replace(flags, light=True, ch=2, n_res=1)
    assert "folder" not in text


def test_a_full_network_tells_its_image_size(tmp_path):
    # 7 x 7 places of 8 channels, a quarter of the image's side.
    source = write(tmp_path, **{"MLP/linear_0/dense/kernel": (7 * 7 * 8, 8)})
    found, _ = tf1.read_config(source, Config(n_dis=4, img_size=256))
    assert (found.light, found.img_size) == (False, 28)


def test_flags_that_contradict_it_are_named(tmp_path):
    source = write(tmp_path, **{"MLP/linear_0/dense/kernel": (8 * 8 * 8, 8)})
    with pytest.raises(RunError, match="--ch is 4 but .* has 2; --img_size is 64 but .* has 32") as error:
        tf1.read_config(source, Config(ch=4, img_size=64, n_dis=4))
    assert "n_dis" not in str(error.value)


@pytest.mark.parametrize(("name", "value"), [("cam_heads", 2), ("unbiased", True)])
def test_what_the_reference_has_not_is_refused_both_ways(tmp_path, name, value):
    flags = dataclasses.replace(Config(n_dis=4), **{name: value})
    with pytest.raises(RunError, match=f"--{name} is {value} but the checkpoint's network has"):
        tf1.read_config(write(tmp_path), flags)
    with pytest.raises(RunError, match=f"has no network with {name} {value}"):
        tf1.check_is_possible(flags)
    tf1.check_is_possible(Config())


def test_a_light_network_too_deep_for_the_image_size_is_refused(tmp_path):
    with pytest.raises(UsageError, match="--img_size 64 is too small for --n_dis 6"):
        tf1.read_config(write(tmp_path), Config(img_size=64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MLP/linear_0/dense/kernel": (3 * 8, 8)}, "MLP/linear_0/dense/kernel with 24 inputs"),
        ({"MLP/linear_0/dense/kernel": (4, 8)}, "MLP/linear_0/dense/kernel with 4 inputs"),
        ({"MLP/linear_0/dense/kernel": (8,)}, r"MLP/linear_0/dense/kernel with shape \[8\]"),
        ({"conv/conv2d/kernel": (2,)}, r"generator_B/conv/conv2d/kernel with shape \[2\]"),
    ],
)
def test_shapes_that_no_network_has_are_named(tmp_path, changes, message):
    with pytest.raises(RunError, match=message):
        tf1.read_config(write(tmp_path, **changes), Config())


def test_another_programs_checkpoint_is_refused(tmp_path):
    bundle.write(tmp_path / "x", {"dense/kernel": np.zeros(3)})
    with pytest.raises(RunError, match="is another program's"):
        tf1.read_config(Bundle(tmp_path / "x"), Config())
