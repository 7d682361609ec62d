import keras
import numpy as np
import pytest

from ugatit_tf.networks.normalization import LIN, AdaLIN, InstanceNorm, UnitInterval

RHOS = {"zeros": [0, 0, 0, 0], "ones": [1, 1, 1, 1], "mixed": [0, 0.05, 0.6, 1]}
SHAPE = (2, 3, 5, 4)


def images(scale):
    """At a small scale the variance is far below epsilon, which shows where epsilon stands."""
    rng = np.random.default_rng(0)
    return (scale * (rng.normal(size=SHAPE) + [0, 1, -2, 3])).astype("float32")


def standardize(x, axes, unbiased=False):
    mean = x.mean(axes, keepdims=True)
    count = np.prod([x.shape[axis] for axis in axes])
    variance = ((x - mean) ** 2).sum(axes, keepdims=True) / (count - unbiased)
    return (x - mean) / np.sqrt(variance + 1e-5)


def mix(x, rho, unbiased=False):
    rho = np.asarray(rho)
    return rho * standardize(x, (1, 2), unbiased) + (1 - rho) * standardize(x, (1, 2, 3), unbiased)


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(layer):
    layer.build(SHAPE)
    return layer


@pytest.mark.parametrize("scale", [1, 1e-3])
def test_instance_norm(scale):
    x, layer = images(scale), built(InstanceNorm())
    layer.gamma.assign(gamma := normal(4, seed=1))
    layer.beta.assign(beta := normal(4, seed=2))
    np.testing.assert_allclose(layer(x), gamma * standardize(x, (1, 2)) + beta, atol=1e-5)


@pytest.mark.parametrize("scale", [1, 1e-3])
@pytest.mark.parametrize("rho", RHOS.values(), ids=RHOS)
@pytest.mark.parametrize("smoothing", [False, True])
@pytest.mark.parametrize("unbiased", [False, True])
def test_adalin(unbiased, smoothing, rho, scale):
    x, layer = images(scale), built(AdaLIN(smoothing, unbiased))
    gamma, beta = normal(2, 1, 1, 4, seed=1), normal(2, 1, 1, 4, seed=2)
    layer.rho.assign(rho)
    used = np.clip(np.array(rho) - 0.1, 0, 1) if smoothing else rho
    np.testing.assert_allclose(layer(x, gamma, beta), gamma * mix(x, used, unbiased) + beta, atol=2e-5)


@pytest.mark.parametrize("scale", [1, 1e-3])
@pytest.mark.parametrize("rho", RHOS.values(), ids=RHOS)
@pytest.mark.parametrize("unbiased", [False, True])
def test_lin(unbiased, rho, scale):
    x, layer = images(scale), built(LIN(unbiased))
    layer.rho.assign(rho)
    layer.gamma.assign(gamma := normal(4, seed=1))
    layer.beta.assign(beta := normal(4, seed=2))
    np.testing.assert_allclose(layer(x), gamma * mix(x, rho, unbiased) + beta, atol=2e-5)


@pytest.mark.parametrize("layer", [InstanceNorm, LIN, AdaLIN])
def test_a_constant_image_gives_beta(layer):
    layer, beta = built(layer()), normal(4)
    x = np.full(SHAPE, 0.7, "float32")
    if isinstance(layer, AdaLIN):
        y = layer(x, np.ones((2, 1, 1, 4), "float32"), np.tile(beta, (2, 1, 1, 1)))
    else:
        layer.beta.assign(beta)
        y = layer(x)
    np.testing.assert_allclose(y, np.broadcast_to(beta, SHAPE), atol=1e-4)


def test_unbiased_variances_by_hand():
    # Two pixels of two channels: in the channels, the squares over 1 are 2 and 8; in all, those over 3 are 20 / 3.
    x = np.array([[[[0, 2], [2, 6]]]], "float32")
    layer = LIN(unbiased=True)
    layer.build(x.shape)
    layer.rho.assign([1, 0])
    expected = [
        [(0 - 1) / np.sqrt(2), (2 - 2.5) / np.sqrt(19 / 3)],
        [(2 - 1) / np.sqrt(2), (6 - 2.5) / np.sqrt(19 / 3)],
    ]
    np.testing.assert_allclose(layer(x)[0, 0], expected, atol=1e-4)


def test_unit_interval_clips():
    np.testing.assert_allclose(UnitInterval()(np.array([-0.5, 0, 0.25, 1, 1.5])), [0, 0, 0.25, 1, 1])


@pytest.mark.parametrize("layer", [LIN, AdaLIN])
def test_an_optimizer_step_keeps_rho_in_the_unit_interval(layer):
    rho = built(layer()).rho
    rho.assign([0.2, 0.2, 0.8, 0.8])
    # Adam's first step is the learning rate against the gradient's sign.
    keras.optimizers.Adam(0.5).apply([np.array([1.0, -1, 1, -1], "float32")], [rho])
    np.testing.assert_allclose(rho, [0, 0.7, 0.3, 1], atol=1e-5)


def test_an_optimizer_step_leaves_gamma_and_beta_unbounded():
    layer = built(LIN())
    variables = [layer.gamma, layer.beta]
    keras.optimizers.Adam(0.5).apply([np.full(4, -1, "float32"), np.full(4, 1, "float32")], variables)
    np.testing.assert_allclose(variables, [[1.5] * 4, [-0.5] * 4], atol=1e-5)
