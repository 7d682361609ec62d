import functools

import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.ops import instance_layer_norm, instance_norm

SHAPE = (2, 3, 5, 4)


def normal(*shape):
    return tf.random.stateless_normal(shape, seed=(shape[0], shape[-1]))


def standardized(x, axes, unbiased=False):
    mean, variance = tf.nn.moments(x, axes, keepdims=True)
    if unbiased:
        count = tf.size(x[0] if 3 in axes else x[0, ..., 0], tf.float32)
        variance = variance * count / (count - 1.0)
    return (x - mean) / tf.sqrt(variance + 1e-5)


def plain_instance_norm(x, gamma, beta):
    return standardized(x, (1, 2)) * gamma + beta


def plain_instance_layer_norm(x, rho, gamma, beta, unbiased=False):
    mixed = rho * standardized(x, (1, 2), unbiased) + (1.0 - rho) * standardized(x, (1, 2, 3), unbiased)
    return mixed * gamma + beta


def with_gradients(function, *inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = function(*inputs)
        loss = tf.reduce_sum(outputs**3)
    return outputs, *tape.gradient(loss, inputs)


RHO = np.array([0.0, 0.3, 0.8, 1.0], "float32")
MIXED = (instance_layer_norm, plain_instance_layer_norm)
# The norm, the same without written-out gradients, its rho, and the shape of gamma and beta.
NORMS = {
    "instance norm": (instance_norm, plain_instance_norm, (), (4,)),
    "LIN": (*MIXED, (RHO,), (4,)),
    "AdaLIN": (*MIXED, (RHO,), (2, 1, 1, 4)),
    "unbiased": (*(functools.partial(norm, unbiased=True) for norm in MIXED), (RHO,), (2, 1, 1, 4)),
}


@pytest.mark.parametrize("shape", [SHAPE, (None, *SHAPE[1:]), (2, None, None, 4), (None, None, None, 4)], ids=str)
@pytest.mark.parametrize(("norm", "plain", "rho", "affine"), NORMS.values(), ids=NORMS)
def test_outputs_and_gradients_are_those_derived_automatically(norm, plain, rho, affine, shape):
    rho = [tf.constant(value) for value in rho]
    x, gamma, beta = normal(*SHAPE), normal(*affine), 2.0 * normal(*affine) + 1.0
    function = tf.function(lambda x: with_gradients(norm, x, *rho, gamma, beta), autograph=False)
    results = function.get_concrete_function(tf.TensorSpec(shape))(x)
    for actual, expected in zip(results, with_gradients(plain, x, *rho, gamma, beta), strict=True):
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
