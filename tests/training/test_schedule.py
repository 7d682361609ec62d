import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.training.optimizer import linear_decay


def rates(schedule, steps):
    return [schedule(tf.constant(step, tf.int64)).numpy() for step in steps]


def test_the_rate_is_constant_then_falls_epoch_by_epoch():
    schedule = linear_decay(0.8, epochs=6, decay_epoch=2, steps_per_epoch=10)
    # lr * (6 - epoch) / (6 - 2)
    expected = {0: 0.8, 19: 0.8, 20: 0.8, 29: 0.8, 30: 0.6, 39: 0.6, 40: 0.4, 50: 0.2, 59: 0.2, 60: 0, 999: 0}
    np.testing.assert_allclose(rates(schedule, expected), list(expected.values()), rtol=1e-6)


def test_the_references_defaults():
    schedule = linear_decay(1e-4, epochs=100, decay_epoch=50, steps_per_epoch=10000)
    np.testing.assert_allclose(
        rates(schedule, [0, 509_999, 510_000, 999_999]), [1e-4, 1e-4, 0.98e-4, 0.02e-4], rtol=1e-5
    )


def test_the_fall_may_start_at_once():
    schedule = linear_decay(1.0, epochs=4, decay_epoch=0, steps_per_epoch=1)
    np.testing.assert_allclose(rates(schedule, range(4)), [1, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("decay_epoch", [3, 4, 100])
def test_no_fall_within_the_training_means_a_constant_rate(decay_epoch):
    schedule = linear_decay(0.5, epochs=3, decay_epoch=decay_epoch, steps_per_epoch=10)
    assert rates(schedule, [0, 10, 29]) == [0.5, 0.5, 0.5]


def test_a_rate_is_a_float32_scalar_also_in_a_graph():
    rate = tf.function(linear_decay(0.5, 3, 1, 10))(tf.constant(0, tf.int64))
    assert (rate.dtype, rate.shape) == (tf.float32, ())
    assert rate.numpy() == 0.5
