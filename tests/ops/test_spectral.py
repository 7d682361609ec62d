import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.ops import spectral_norm


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(
    ("matrix", "u", "sigma", "next_u"),
    [
        # The largest singular value of a matrix of ones is 2.
        ([[1, 1], [1, 1]], [1, 0], 2, [0.5**0.5, 0.5**0.5]),
        # v = (3, 4) / 5, so vW = (5, 4).
        ([[3, 0], [4, 5]], [1, 0], 41**0.5, [5 / 41**0.5, 4 / 41**0.5]),
        # The length of u says nothing.
        ([[3, 0], [4, 5]], [7, 0], 41**0.5, [5 / 41**0.5, 4 / 41**0.5]),
    ],
)
def test_one_power_iteration_by_hand(matrix, u, sigma, next_u):
    kernel = np.reshape(matrix, (1, 2, 1, 2)).astype("float32")
    norm = spectral_norm(tf.constant(kernel), tf.constant([u], tf.float32))
    np.testing.assert_allclose(norm.value, sigma, rtol=1e-6)
    np.testing.assert_allclose(norm.u, [next_u], rtol=1e-6)
    np.testing.assert_allclose(norm.v @ np.array(matrix, "float32"), norm.value * norm.u, rtol=1e-6)


def test_the_power_iteration_converges_to_the_largest_singular_value():
    kernel = normal(3, 3, 2, 4)
    largest = np.linalg.svd(kernel.reshape(-1, 4))[1][0]
    u = tf.ones((1, 4))
    for _ in range(100):
        norm = spectral_norm(tf.constant(kernel), u)
        u = norm.u
    np.testing.assert_allclose(norm.value, largest, rtol=1e-4)


def test_spectral_norm_of_a_zero_kernel_is_finite_in_u():
    norm = spectral_norm(tf.zeros((2, 2)), tf.ones((1, 2)))
    np.testing.assert_array_equal(norm.u, [[0, 0]])


def test_spectral_norms_gradient_takes_both_singular_vectors_as_fixed():
    matrix, u, upstream = normal(6, 4), normal(1, 4, seed=2), normal(6, 4, seed=3)
    kernel = tf.constant(matrix)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(kernel)
        norm = spectral_norm(kernel, tf.constant(u))
        loss = tf.reduce_sum(kernel / norm.value * upstream)
    v = u @ matrix.T / np.linalg.norm(u @ matrix.T)
    next_u = v @ matrix / np.linalg.norm(v @ matrix)
    sigma = (v @ matrix @ next_u.T).item()
    expected = upstream / sigma - (upstream * matrix).sum() / sigma**2 * (v.T @ next_u)
    np.testing.assert_allclose(tape.gradient(loss, kernel), expected, atol=1e-5)
    assert tape.gradient(norm.u, kernel) is None
    assert tape.gradient(norm.v, kernel) is None
