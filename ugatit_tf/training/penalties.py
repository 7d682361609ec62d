"""Gradient penalties on the discriminators: WGAN-GP, WGAN-LP and DRAGAN.

A penalty is the sum over the discriminator's logit tensors of `mean f(||d(sum of a logit tensor)/dx|| - 1)`, at points
x near the data. The norm is computed per sample. The objective multiplies the penalty by its weight.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.training import replicas

# (shape, salt) -> floats in [0, 1). It is a parameter everywhere, so that tests can pass recorded values.
Uniform = Callable[[tf.Tensor, int], tf.Tensor]
Logits = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]

_ALPHA_SALT, _NOISE_SALT = 0, 1
_SMALLEST_SQUARE = 1e-24  # keeps the gradient of the square root finite if a gradient is 0


def seeded_uniform(seed: tf.Tensor) -> Uniform:
    """Returns a source of uniform noise that is a pure function of the seed and the salt.

    The first axis of the noise is the batch. Each replica draws the noise of the whole batch and takes its part, so
    that samples get equal noise with any number of replicas.

    Args:
        seed: integers `[2]`.
    """

    def uniform(shape: tf.Tensor, salt: int) -> tf.Tensor:
        samples, *rest = tf.unstack(shape)
        seed_of_draw = tf.random.experimental.stateless_fold_in(seed, salt)
        whole = (samples * replicas.count(), *rest)
        return replicas.part(tf.random.stateless_uniform(whole, seed_of_draw, dtype=keras.config.floatx()))

    return uniform


class Penalty(NamedTuple):
    """A gradient penalty: the points at which the gradient is computed, and the function of its norm.

    Attributes:
        other_end: takes real and fake images `[B, H, W, C]` and a source of noise. Returns images: the points lie on
            the lines from the real images to them.
        excess: takes the norms minus 1, `[B]`, and returns the penalty of each sample.
    """

    other_end: Callable[[tf.Tensor, tf.Tensor, Uniform], tf.Tensor]
    excess: Callable[[tf.Tensor], tf.Tensor]


def _perturbed(real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    del fake
    return real + 0.5 * replicas.standard_deviation(real) * uniform(tf.shape(real), _NOISE_SALT)


WGAN_GP = Penalty(lambda real, fake, uniform: fake, tf.square)  # Gulrajani et al., 2017
WGAN_LP = Penalty(lambda real, fake, uniform: fake, lambda excess: tf.square(tf.nn.relu(excess)))  # Petzka et al., 2018
DRAGAN = Penalty(_perturbed, tf.square)  # Kodali et al., 2017


def gradient_penalty(penalty: Penalty, logits: Logits, real: tf.Tensor, fake: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Computes the unweighted penalty of a discriminator, a scalar.

    Args:
        penalty: the penalty's points and its function of the norm.
        logits: computes the discriminator's logit tensors from images `[B, H, W, C]`.
        real: real images, `[B, H, W, C]`.
        fake: translated images, `[B, H, W, C]`, without a gradient to their generator.
        uniform: source of random numbers.
    """
    alpha = uniform((tf.shape(real)[0], 1, 1, 1), _ALPHA_SALT)
    points = real + alpha * (penalty.other_end(real, fake, uniform) - real)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(points)
        sums = [tf.reduce_sum(tensor) for tensor in logits(points)]
    total = tf.zeros((), points.dtype)
    for logit_sum in sums:
        gradient = tape.gradient(logit_sum, points)
        norm = tf.sqrt(tf.maximum(tf.reduce_sum(tf.square(gradient), axis=(1, 2, 3)), _SMALLEST_SQUARE))
        total += tf.reduce_mean(penalty.excess(norm - 1.0))
    return total
