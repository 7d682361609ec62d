"""Learning rate schedules: pure functions of the step."""

from collections.abc import Callable

import keras
import tensorflow as tf

Schedule = Callable[[tf.Tensor], tf.Tensor]


def linear_decay(lr: float, epochs: int, decay_epoch: int, steps_per_epoch: int) -> Schedule:
    """Returns the reference's schedule: constant for `decay_epoch` epochs, then linear decay to 0, epoch by epoch.

    Args:
        lr: learning rate at the start.
        epochs: number of epochs of the whole training; at their end, the rate would be 0.
        decay_epoch: number of epochs before the decay begins.
        steps_per_epoch: number of steps in an epoch.

    Returns:
        A function from the completed steps, an integer scalar, to the learning rate, a float scalar.
    """

    def rate(step: tf.Tensor) -> tf.Tensor:
        epoch = tf.cast(step // steps_per_epoch, keras.config.floatx())
        fraction = (epochs - epoch) / max(epochs - decay_epoch, 1)
        return lr * tf.clip_by_value(fraction, 0.0, 1.0)

    return rate
