from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.interop import tf1_checkpoint
from ugatit_tf.training.ugatit import build_discriminator, build_generator

GOLDEN = Path(__file__).parent.parent / "golden" / "light_lsgan_sn"
CONFIG = Config(dataset="golden", light=True, ch=2, img_size=32, n_dis=4)
PREFIX = GOLDEN / "checkpoint" / CONFIG.model_dir / "UGATIT_light.model-1"


def test_loads_by_the_references_names():
    generator, discriminator = build_generator(CONFIG, "B"), build_discriminator(CONFIG, "A")
    tf1_checkpoint.load_weights(generator.variables, PREFIX)
    tf1_checkpoint.load_weights(discriminator.variables, PREFIX)
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
        tf1_checkpoint.load_weights(generator.variables, PREFIX)
    np.testing.assert_equal([variable.numpy() for variable in generator.variables], before)
