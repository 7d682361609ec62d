import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf import config
from ugatit_tf.training import losses, penalties


def bce(logit, label):
    probability = 1 / (1 + math.exp(-logit))
    return -math.log(probability if label else 1 - probability)


CROSS_ENTROPY = ((bce(2, 1) + bce(0, 1)) / 2 + (bce(1, 0) + bce(-3, 0)) / 2, (bce(1, 1) + bce(-3, 1)) / 2)


@pytest.mark.parametrize(
    ("gan_type", "discriminator", "generator"),
    [
        ("lsgan", (1 + 1) / 2 + (1 + 9) / 2, (0 + 16) / 2),
        ("hinge", (0 + 1) / 2 + (2 + 0) / 2, 1),
        ("wgan-gp", -1 + -1, 1),
        ("wgan-lp", -1 + -1, 1),
        ("gan", *CROSS_ENTROPY),
        ("dragan", *CROSS_ENTROPY),
    ],
)
def test_gan_losses_by_hand(gan_type, discriminator, generator):
    real, fake = tf.constant([[[[2.0], [0.0]]]]), tf.constant([[[[1.0], [-3.0]]]])
    loss = losses.GAN_LOSSES[gan_type]
    np.testing.assert_allclose(loss.discriminator(real, fake), discriminator, rtol=1e-6)
    np.testing.assert_allclose(loss.generator(None, fake), generator, rtol=1e-6)


def test_cross_entropy_is_finite_for_large_logits():
    np.testing.assert_allclose(losses.binary_cross_entropy(tf.constant([[-1000.0, 1000.0]]), 1.0), 500)


def test_every_gan_type_has_a_loss():
    assert set(losses.GAN_LOSSES) == set(config.GAN_TYPES)


def test_losses_with_a_penalty():
    found = {name: loss.penalty for name, loss in losses.GAN_LOSSES.items() if loss.penalty is not None}
    assert found == {"wgan-gp": penalties.WGAN_GP, "wgan-lp": penalties.WGAN_LP, "dragan": penalties.DRAGAN}


@pytest.mark.parametrize("gan_type", ["gan", "lsgan", "dragan", "hinge"])
def test_chance_is_the_least_loss_of_a_discriminator_that_gives_one_logit_to_all(gan_type):
    loss = losses.GAN_LOSSES[gan_type]
    logits = [tf.fill((2,), x) for x in np.linspace(-1, 1, 21, dtype="float32")]
    found = min(float(loss.discriminator(x, x)) for x in logits)
    assert found == pytest.approx(loss.chance, rel=1e-6)


def test_a_critic_is_never_at_chance():
    assert losses.GAN_LOSSES["wgan-gp"].chance is losses.GAN_LOSSES["wgan-lp"].chance is None


def test_cams_chance_is_its_loss_for_logits_of_zero():
    assert float(losses.cam(tf.zeros((3, 2)), tf.zeros((3, 2)))) == pytest.approx(losses.CAM_CHANCE, rel=1e-6)


def test_l1_is_the_mean_absolute_difference():
    assert losses.l1(tf.constant([[1.0, -2.0]]), tf.constant([[0.0, 3.0]])).numpy() == (1 + 5) / 2


def test_cam_tells_source_from_target():
    source, identity = tf.constant([[2.0, 0.0]]), tf.constant([[1.0, -3.0]])
    expected = (bce(2, 1) + bce(0, 1)) / 2 + (bce(1, 0) + bce(-3, 0)) / 2
    np.testing.assert_allclose(losses.cam(source, identity), expected, rtol=1e-6)


def test_l2_takes_half_the_square_of_kernels_alone():
    names = {"kernel": [[1, 2]], "bias": [3], "gamma": [4], "beta": [5], "rho": [6], "u": [[7]]}
    variables = [keras.Variable(np.array(value, "float32"), name=name) for name, value in names.items()]
    variables.append(keras.Variable(np.full((1, 1, 1, 1), 2, "float32"), name="kernel"))
    np.testing.assert_allclose(losses.l2_regularization(variables), 1e-4 * (1 + 4 + 4) / 2, rtol=1e-6)
