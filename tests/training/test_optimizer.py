import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.ops import cpu_kernels
from ugatit_tf.training.optimizer import FactoredGradient, FusedAdam


def test_updates_as_tensorflow_1_adam():
    variable = keras.Variable(np.array([1.0, -2.0, 3.0], "float32"))
    optimizer = FusedAdam(learning_rate=0.1, beta_1=0.5, beta_2=0.999, epsilon=1e-8)
    optimizer.build([variable])
    expected, m, v = variable.numpy().astype(np.float64), np.zeros(3), np.zeros(3)
    for t, gradient in enumerate(([0.5, -1.0, 0.0], [0.1, 2.0, 1e-9], [-3.0, 0.0, 1e-9]), start=1):
        gradient = np.array(gradient)  # noqa: PLW2901
        optimizer.apply([gradient.astype("float32")], [variable])
        m = 0.5 * m + 0.5 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.5**t)
        expected -= rate * m / (np.sqrt(v) + 1e-8)
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-4)


def test_keeps_its_state_where_keras_adam_does():
    variables = [keras.Variable(np.zeros(2, "float32"), name=name) for name in ("a", "b")]
    ours, keras_adam = FusedAdam(name="adam"), keras.optimizers.Adam(name="adam")
    for optimizer in (ours, keras_adam):
        optimizer.build(variables)
        optimizer.apply([np.ones(2, "float32")] * 2, variables)
    assert [v.path for v in ours.variables] == [v.path for v in keras_adam.variables]
    for mine, theirs in zip(ours.variables, keras_adam.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-4)


@pytest.mark.parametrize("rows", [3, 13])
def test_factored_gradients_and_decay_are_those_of_the_product(rows):
    rng = np.random.default_rng(0)
    start, inputs, upstream = (rng.normal(size=shape).astype("float32") for shape in ((6, 4), (rows, 6), (rows, 4)))
    factored, plain = keras.Variable(start, name="factored"), keras.Variable(start, name="plain")
    optimizer = FusedAdam(learning_rate=0.1)
    optimizer.build([factored, plain])
    gradient = FactoredGradient(tf.constant(inputs), tf.constant(upstream))
    for _ in range(3):
        expected = inputs.T @ upstream + 0.5 * plain.numpy()
        optimizer.apply([gradient, tf.constant(expected)], [factored, plain], decays=[0.5, 0.0])
    np.testing.assert_allclose(factored.numpy(), plain.numpy(), rtol=1e-5)
    assert float(gradient.half_squared_norm()) == pytest.approx(np.sum((inputs.T @ upstream) ** 2) / 2, rel=1e-5)


def test_large_kernels_are_updated_alike_in_one_pass(monkeypatch):
    monkeypatch.setattr("ugatit_tf.training.optimizer._LARGE", 6)
    starts = [np.linspace(-1.0, 1.0, count, dtype="float32") for count in (5, 6)]

    def updated(context):
        """The variables after three updates, and how many functions an update calls."""
        variables = [keras.Variable(start) for start in starts]
        optimizer = FusedAdam(learning_rate=0.1)
        optimizer.build(variables)

        @tf.function(autograph=False)
        def update():
            with context():
                optimizer.apply([tf.constant(np.cos(start)) for start in starts], variables, decays=[0.5, 0.5])

        for _ in range(3):
            update()
        operations = update.get_concrete_function().graph.get_operations()
        return variables, sum(operation.type.endswith("PartitionedCall") for operation in operations)

    plain, plain_calls = updated(contextlib.nullcontext)
    large, calls = updated(cpu_kernels)
    assert (plain_calls, calls) == (0, 1)  # for the larger one
    for variable, expected in zip(large, plain, strict=True):
        np.testing.assert_allclose(variable.numpy(), expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize(("rows", "whole"), [(3, False), (13, True)])
def test_a_product_of_few_rows_is_never_whole_in_memory(rows, whole):
    gradient = FactoredGradient(tf.ones((rows, 6)), tf.ones((rows, 4)))
    multiplied_out = tf.function(lambda: gradient.multiplied_out() + 1.0, jit_compile=True, autograph=False)
    assert ("dot(" in multiplied_out.experimental_get_compiler_ir()(stage="optimized_hlo")) == whole
