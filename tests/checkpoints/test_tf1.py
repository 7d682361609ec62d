from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints import bundle, tf1
from ugatit_tf.checkpoints.bundle import Bundle
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.training.networks import build_discriminator, build_generator

GOLDEN = Path(__file__).parent.parent / "golden" / "light_lsgan_sn"
CONFIG = Config(dataset="golden", light=True, ch=2, img_size=32, n_dis=4)
PREFIX = GOLDEN / "checkpoint" / CONFIG.model_dir / "UGATIT_light.model-1"


def test_loads_by_the_references_names():
    generator, discriminator = build_generator(CONFIG, "B"), build_discriminator(CONFIG, "A")
    Checkpoint(PREFIX, CONFIG).restore(generator.variables, strict=False)
    Checkpoint(PREFIX, CONFIG).restore(discriminator.variables, strict=False)
    reader = tf.train.load_checkpoint(str(PREFIX))
    for variable, name in (
        (generator.mlp.linear_0.kernel, "generator_B/MLP/linear_0/dense/kernel"),
        (generator.encoder[0][0].kernel, "generator_B/conv/conv2d/kernel"),
        (generator.cam.kernel, "generator_B/CAM_logit/kernel"),
        (discriminator.global_.convs[1].kernel, "discriminator_A/global/conv_1/kernel"),
        (discriminator.global_.convs[1].u, "discriminator_A/global/conv_1/u"),
        (discriminator.local.attention_conv.kernel, "discriminator_A/local/conv_1x1/conv2d/kernel"),
    ):
        np.testing.assert_array_equal(variable.numpy(), reader.get_tensor(name))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"n_res": 5}, "no variable generator_B/resblock_4/"), ({"ch": 4}, r"shape \[7, 7, 3, 2\]; this network's is")],
)
def test_a_network_that_does_not_fit_is_refused_by_name_and_left_alone(changes, message):
    generator = build_generator(Config(light=True, img_size=32, n_dis=4, **({"ch": 2} | changes)), "B")
    before = [variable.numpy() for variable in generator.variables]
    with pytest.raises(RunError, match=message):
        Checkpoint(PREFIX, CONFIG).restore(generator.variables, strict=False)
    np.testing.assert_equal([variable.numpy() for variable in generator.variables], before)


def test_what_the_network_lacks_is_refused_by_name_where_nothing_else_may_be():
    generator = build_generator(CONFIG, "B")
    table, source = tf1.reference_names(generator.variables), Bundle(PREFIX)
    others = set(source.shapes) - set(table) - {"generator_A/conv/conv2d/bias"}
    with pytest.raises(RunError, match="1 variables that this network lacks; one is generator_A/conv/conv2d/bias"):
        next(source.matched(table, others))


def test_another_type_is_refused_by_name(tmp_path):
    bundle.write(tmp_path / "x", {"n": np.float64(1)})
    with pytest.raises(RunError, match="has n as float64; this network's is float32"):
        next(Bundle(tmp_path / "x").matched({"n": keras.Variable(0.0)}))


def test_beta_powers_are_rounded_once_an_update():
    # As recorded from TensorFlow 1 after 0, 2 and 3 updates; a power rounded once ends in 97 for the second.
    recorded = {0: "77be7f3f", 2: "983b7f3f", 3: "41fa7e3f"}
    for count, bits in recorded.items():
        beta1, beta2 = tf1.beta_powers(count)
        assert beta1 == 0.5 ** (count + 1)
        assert beta2.tobytes().hex() == bits
    assert tf1.beta_powers(125)[0] == 2.0**-126
    assert tf1.beta_powers(126)[0] == 0  # smaller than the smallest normal number
    assert tf1.beta_powers(10**12) == (0, 0)


def powers(discriminators, generators=None):
    generators = discriminators if generators is None else generators
    pairs = ((tf1.DISCRIMINATOR_POWERS, discriminators), (tf1.GENERATOR_POWERS, generators))
    return dict(pair for names, t in pairs for pair in zip(names, tf1.beta_powers(t), strict=True))


@pytest.mark.parametrize(
    ("name", "values", "n_critic", "expected"),
    [
        ("model-9", powers(3), 1, (3, 3, "from beta1_power_1")),  # whatever the name says
        ("model", powers(125, 63), 2, (125, 63, "from beta1_power_1")),
        ("model-1001", powers(1000), 1, (1000, 1000, "counts from 1: beta1_power_1 has underflowed")),
        ("model-1000", powers(1000), 1, (1000, 1000, "counts from 0: beta1_power_1 has underflowed")),
        ("model-1000001", powers(10**6), 1, (10**6, 10**6, "counts from 1")),
        ("model-1001", powers(1000, 99), 10, (1000, 99, "counts from 1")),
        ("model-1002", powers(1001), 10, (1001, 101, "counts from 1")),  # the generators': in steps 0, 10, ... 1000
        ("model-7", {"w": np.float32(0)}, 1, (6, 6, "counts from 1: beta1_power_1 is missing")),
        ("model-0", {"w": np.float32(0)}, 1, (0, 0, "counts from 1")),
    ],
)
def test_updates_are_in_beta1_power_or_else_in_the_name(tmp_path, name, values, n_critic, expected):
    bundle.write(tmp_path / name, values)
    updates = tf1.updates(Bundle(tmp_path / name), n_critic)
    assert updates[:2] == expected[:2]
    assert expected[2] in updates.source


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"w": np.float32(0)}, "does not show its step"),
        ({"beta1_power_1": np.float32(0.3)}, "beta1_power_1 0.3.*: no power of 0.5"),
        ({"beta1_power_1": np.float32(1)}, "no power"),
        ({"beta1_power_1": np.float32("nan")}, "no power"),
        ({"beta1_power_1": np.zeros(2, np.float32)}, r"beta1_power_1 with shape \[2\]"),
    ],
)
def test_updates_that_nothing_tells_are_refused(tmp_path, values, message):
    bundle.write(tmp_path / "model", values)
    with pytest.raises(RunError, match=message):
        tf1.updates(Bundle(tmp_path / "model"), 1)
