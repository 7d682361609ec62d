"""Exponential moving averages of the generators' weights, which make steadier pictures than the weights themselves."""

import math
from collections.abc import Iterable, Sequence

import keras
import tensorflow as tf

from ugatit_tf.training import replicas

PREFIX = "ema_"  # of an average's name, before that of its network
_SMALL = 2**22  # values: so many more in memory do not matter, and XLA takes a while to compile


def start(averages: Iterable[keras.Variable], variables: Iterable[keras.Variable]) -> None:
    """Lets averages begin as copies of the variables."""
    for average, variable in zip(averages, variables, strict=True):
        average.assign(variable)


def update(
    averages: Sequence[keras.Variable], variables: Sequence[keras.Variable], decay: float, count: tf.Tensor
) -> None:
    """Moves averages towards what their variables have become, without a temporary of a large one's size.

    After `count` updates, an average is the mean of the variable's last values, each of which weighs `decay` of the
    next one, the newest 1 (Adam's bias correction): the initial values do not count, and the first update copies. Where
    averages start later, their first values stand for all that were before.

    Args:
        averages: floats.
        variables: as many, of the same shapes.
        decay: at least 0 and less than 1.
        count: the updates that the variables have had, this one included; an integer scalar.
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
        _approach(large, rate)


@tf.function(jit_compile=True, autograph=False)  # in place, without the difference in memory
def _approach(pairs: list[tuple[tf.Variable, tf.Variable]], rate: tf.Tensor) -> None:
    for average, variable in pairs:
        average.assign_sub(rate * (average - variable))
