import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.ops import reflection

SHAPES = [(2, 5, 4, 8), (1, 4, 6, 9), (2, 5, 4, 3)]  # the last has too few channels for a form of its own
CASES = [("reflect", (1, 1)), ("reflect", (1, 2)), ("reflect", (3, 3)), ("symmetric", (1, 1)), ("reflect", (2, 0))]


def normal(*shape):
    return tf.random.stateless_normal(shape, seed=(shape[0], shape[-1]))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("mode", "padding"), CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pads_and_folds_as_tensorflow_does(shape, mode, padding, dtype):
    inputs, paddings = tf.cast(normal(*shape), dtype), [[0, 0], padding, padding, [0, 0]]
    expected = tf.pad(inputs, paddings, mode)
    np.testing.assert_array_equal(reflection.pad_without_gradient(inputs, padding, mode), expected)
    upstream = tf.cast(normal(*expected.shape), dtype)
    folded = tf.raw_ops.MirrorPadGrad(input=tf.cast(upstream, "float32"), paddings=paddings, mode=mode.upper())
    tolerance = 1e-6 if dtype == "float32" else 0.05
    np.testing.assert_allclose(tf.cast(reflection.fold(upstream, padding, mode), "float32"), folded, atol=tolerance)


def test_a_padded_row_by_hand():
    row = tf.reshape(tf.repeat([1.0, 2.0, 4.0], 8), (1, 1, 3, 8))
    column = tf.concat([row, 10.0 * row, 100.0 * row], 1)
    assert reflection.pad(column, (1, 1))[0, 1, :, 0].numpy().tolist() == [2.0, 1.0, 2.0, 4.0, 2.0]
    upstream = tf.ones((1, 5, 5, 8))
    # A pixel in the middle is also what its two neighbours' far sides reflect.
    assert reflection.fold(upstream, (1, 1))[0, :, :, 0].numpy().tolist() == [[1, 3, 1], [3, 9, 3], [1, 3, 1]]


def test_gradients_of_both_orders():
    inputs = normal(1, 4, 4, 8)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        slopes = []
        for pad in (reflection.pad, lambda x, padding: tf.pad(x, [[0, 0], padding, padding, [0, 0]], "REFLECT")):
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(pad(inputs, (1, 1)) ** 3)
            slopes.append(inner.gradient(loss, inputs))
        sums = [tf.reduce_sum(slope**2) for slope in slopes]
    np.testing.assert_allclose(*slopes, rtol=1e-5)
    np.testing.assert_allclose(*(tape.gradient(total, inputs) for total in sums), rtol=1e-5)


def test_what_is_not_padded_costs_nothing():
    inputs = normal(1, 4, 4, 8)
    assert reflection.pad(inputs, (0, 0)) is inputs
    assert reflection.fold(inputs, (0, 0)) is inputs


@pytest.mark.parametrize(("shape", "own"), [((1, 4, 4, 8), True), ((None, 4, 4, 8), False), ((1, 4, 4, 3), False)])
def test_known_sizes_have_the_fast_form(shape, own):
    graph = tf.function(lambda x: reflection.pad(x, (1, 1))).get_concrete_function(tf.TensorSpec(shape)).graph
    assert ("MirrorPad" not in {operation.type for operation in graph.get_operations()}) == own
