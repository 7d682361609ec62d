import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.ops import LargeDense
from ugatit_tf.training.gradients import Update
from ugatit_tf.training.losses import L2_WEIGHT


def make_variables():
    return [keras.Variable(np.array(value, "float32"), name=name) for name, value in (("a", [3.0, 4.0]), ("b", [1.0]))]


def run(update, variables, factor):
    """One update by factor * (a0**2 / 2 + a1**2 / 2) + b0, whose gradients are factor * a and 1."""
    a, b = variables
    with update.recording() as recording:
        loss = factor * tf.reduce_sum(a.value**2) / 2.0 + tf.reduce_sum(b.value)
    return {name: float(value) for name, value in update.apply(recording, loss).items()}


def make_update(variables, **kwargs):
    update = Update("adam", {"net_A": variables[:1], "net_B": variables[1:]}, **kwargs)
    update.optimizer.learning_rate.assign(0.5)
    return update


def test_norms_are_those_of_each_networks_gradients():
    variables = make_variables()
    norms = run(make_update(variables), variables, 2.0)
    assert norms == {
        "net_A/gradient_norm": pytest.approx(10.0),
        "net_B/gradient_norm": pytest.approx(1.0),
        "skipped": 0.0,
    }
    # Adam's first step moves everything by the learning rate.
    assert [v.numpy().tolist() for v in variables] == [pytest.approx([2.5, 3.5]), pytest.approx([0.5])]


def test_a_kernel_decays_and_large_ones_have_the_gradient_of_plain_ones():
    keras.utils.set_random_seed(0)
    layers = [kind(3, kernel_initializer="normal", name="dense") for kind in (LargeDense, keras.layers.Dense)]
    inputs = [tf.constant(np.random.default_rng(i).normal(size=(2, 5)), tf.float32) for i in range(2)]
    results = []
    for layer in layers:
        layer.build((None, 5))
        layer.kernel.assign(np.arange(15, dtype="float32").reshape(5, 3))
        update = Update("adam", {"net": layer.trainable_variables})
        update.optimizer.learning_rate.assign(0.1)
        with update.recording() as recording:
            loss = tf.add_n([tf.reduce_sum(layer(x) ** 2) for x in inputs]) * 1e-4
        results.append([float(value) for value in update.apply(recording, loss).values()])
        _, first, _ = update.optimizer.slots[0]
        results[-1] += first.numpy().ravel().tolist()
    assert results[0] == pytest.approx(results[1], rel=1e-5)
    x = np.concatenate(inputs)
    kernel = np.arange(15).reshape(5, 3)
    expected = 1e-4 * 2 * x.T @ (x @ kernel) + L2_WEIGHT * kernel
    np.testing.assert_allclose(np.reshape(results[0][2:], (5, 3)), 0.5 * expected, rtol=1e-4)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_guarded_nothing_moves_where_something_is_not_finite(bad):
    variables = make_variables()
    update = make_update(variables, guarded=True)
    before = [v.numpy() for v in variables + update.optimizer.variables]
    step = tf.function(lambda factor: update.apply(*_record(update, variables, factor))["skipped"])
    assert float(step(tf.constant(bad))) == 1.0
    for variable, value in zip(variables + update.optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert float(step(tf.constant(1.0))) == 0.0
    assert int(update.optimizer.iterations) == 1


def _record(update, variables, factor):
    with update.recording() as recording:
        loss = factor * tf.add_n([tf.reduce_sum(v.value) for v in variables])
    return recording, loss


def test_the_loss_scale_falls_where_gradients_overflow_and_grows_after_a_while(monkeypatch):
    variables = make_variables()
    update = make_update(variables, scaled=True)
    scale = update._scale
    monkeypatch.setattr(type(scale), "PATIENCE", 2)
    overflowing = 1e35  # times 2**15, beyond float32
    norms = run(update, variables, overflowing)
    assert norms == {"net_A/gradient_norm": 0.0, "net_B/gradient_norm": 0.0, "skipped": 0.0}
    assert variables[0].numpy().tolist() == [3.0, 4.0]
    factors = [float(scale.factor)]
    for _ in range(4):
        norms = run(update, variables, 1.0)
        factors.append(float(scale.factor))
    assert factors == [2.0**14, 2.0**14, 2.0**15, 2.0**15, 2.0**16]
    assert norms["net_B/gradient_norm"] == pytest.approx(1.0)
    assert run(update, variables, np.nan)["skipped"] == 1.0
    assert {"adam/loss_scale", "adam/good_steps"} < {v.path for v in update.optimizer.variables}
