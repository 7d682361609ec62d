"""Exponential moving averages of the generators' weights. They give steadier pictures than the weights themselves."""

import math
from collections.abc import Sequence

import keras
import tensorflow as tf

from ugatit_tf.training import replicas

PREFIX = "ema_"  # begins the name of an averaged network
_SMALL = 2**22  # values up to which a temporary copy is accepted, because XLA takes time to compile


def update(
    averages: Sequence[keras.Variable], variables: Sequence[keras.Variable], decay: float, count: tf.Tensor
) -> None:
    """Moves averages towards their variables.

    After `count` updates, an average is the weighted mean of the variable's values after each update. The newest value
    weighs 1, and each older value weighs `decay` times its successor. As in Adam's bias correction, the initial value
    does not count, so the first update copies the variable. If averages start later, their first value stands for all
    earlier values.

    Large variables are updated in place by XLA, because the plain operation needs a temporary tensor of their size.

    Args:
        averages: float variables.
        variables: the averaged variables, of the same shapes and in the same order.
        decay: at least 0 and less than 1.
        count: number of updates of the variables, including the present one; an integer scalar.
    """
    decay = tf.constant(decay, tf.float64)
    rate = (1.0 - decay) / (1.0 - tf.pow(decay, tf.cast(tf.maximum(count, 1), tf.float64)))
    rate = tf.cast(rate, keras.config.floatx())
    large = []
    for average, variable in zip(map(replicas.local, averages), map(replicas.local, variables), strict=True):
        if math.prod(variable.shape) > _SMALL:
            large.append((average, variable))
        else:
            difference = average - variable
            tf.raw_ops.ResourceApplyGradientDescent(var=average.handle, alpha=rate, delta=difference)
    if large:
        _update_in_place(large, rate)


@tf.function(jit_compile=True, autograph=False)
def _update_in_place(pairs: list[tuple[tf.Variable, tf.Variable]], rate: tf.Tensor) -> None:
    """Moves averages towards their variables; XLA computes the difference without keeping it in memory."""
    for average, variable in pairs:
        average.assign_sub(rate * (average - variable))
