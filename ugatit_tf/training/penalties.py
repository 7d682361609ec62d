"""Gradient penalties on the discriminators: WGAN-GP, WGAN-LP and DRAGAN.

A penalty is `weight * mean f(||d(sum of a logit tensor)/dx|| - 1)` at points x near the data, the norm taken per
sample, summed over the discriminator's logit tensors.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.training import replicas

# (shape, salt) -> floats in [0, 1); injectable, so that recorded values can be put in its place.
Uniform = Callable[[tf.Tensor, int], tf.Tensor]
Logits = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]

_ALPHA_SALT, _NOISE_SALT = 0, 1
_SMALLEST_SQUARE = 1e-24  # keeps the square root's own gradient finite where a gradient is 0


def seeded_uniform(seed: tf.Tensor) -> Uniform:
    """Uniform noise that is a pure function of the seed, an integer tensor of shape [2], and of the salt.

    Its first axis is that of samples, which get what they would in a batch with those of all replicas.
    """

    def uniform(shape: tf.Tensor, salt: int) -> tf.Tensor:
        samples, *rest = tf.unstack(shape)
        seed_of_draw = tf.random.experimental.stateless_fold_in(seed, salt)
        whole = (samples * replicas.count(), *rest)
        return replicas.part(tf.random.stateless_uniform(whole, seed_of_draw, dtype=keras.config.floatx()))

    return uniform


class Penalty(NamedTuple):
    """Where the gradient is taken, and how its norm is punished.

    Attributes:
        other_end: of real, fake `[B, H, W, C]` and noise: the image towards which the points lie from the real one.
        excess: of the norms minus 1, `[B]`, what is punished.
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
    """The unweighted penalty of a discriminator, a scalar.

    Args:
        penalty: which one.
        logits: images `[B, H, W, C]` to the discriminator's logit tensors.
        real: `[B, H, W, C]`.
        fake: `[B, H, W, C]`, cut off from the generator.
        uniform: the source of randomness.
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
