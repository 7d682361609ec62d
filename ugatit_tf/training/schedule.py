"""The learning rate as a pure function of the step."""

from collections.abc import Callable

import keras
import tensorflow as tf

Schedule = Callable[[tf.Tensor], tf.Tensor]


def linear_decay(lr: float, epochs: int, decay_epoch: int, steps_per_epoch: int) -> Schedule:
    """The reference's learning rate: constant for `decay_epoch` epochs, then falling linearly towards 0.

    Args:
        lr: the rate at the start.
        epochs: epochs of the whole training.
        decay_epoch: epochs at the full rate; the fall is over at the end of the last epoch, and goes epoch by epoch.
        steps_per_epoch: steps in an epoch.

    Returns:
        A function of the number of steps done (an integer tensor, shape []), giving a float, shape [].
    """

    def rate(step: tf.Tensor) -> tf.Tensor:
        epoch = tf.cast(step // steps_per_epoch, keras.config.floatx())
        fraction = (epochs - epoch) / max(epochs - decay_epoch, 1)
        return lr * tf.clip_by_value(fraction, 0.0, 1.0)

    return rate


def constant(lr: float) -> Schedule:
    """The same rate at every step."""
    return lambda step: tf.constant(lr, keras.config.floatx())
