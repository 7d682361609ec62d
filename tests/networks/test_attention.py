import numpy as np
import pytest

from ugatit_tf.networks.attention import CAM, AttentionConv2D

# Two pixels of two channels: average (2, 15), maximum (3, 20).
FEATURES = np.array([[[[1, 10], [3, 20]]]], "float32")


def test_cam_logits_and_weights_by_hand():
    layer = CAM()
    layer.build(FEATURES.shape)
    layer.kernel.assign([[2], [-1]])
    layer.bias.assign([0.5])
    logits, weights = layer(FEATURES)
    np.testing.assert_allclose(logits, [[2 * 2 - 15 + 0.5, 2 * 3 - 20 + 0.5]])
    np.testing.assert_allclose(weights, [[2.5], [-0.5]])
    assert layer.compute_output_shape(FEATURES.shape) == (logits.shape, weights.shape)


def test_a_head_for_each_pool_by_hand():
    layer = CAM(2)
    layer.build(FEATURES.shape)
    layer.kernel.assign([[2, 3], [-1, 4]])
    layer.bias.assign([0.5, -0.5])
    logits, weights = layer(FEATURES)
    np.testing.assert_allclose(logits, [[2 * 2 - 15 + 0.5, 3 * 3 + 4 * 20 - 0.5]])
    np.testing.assert_allclose(weights, [[2.5, 2.5], [-0.5, 3.5]])
    assert layer.compute_output_shape(FEATURES.shape) == (logits.shape, weights.shape)


@pytest.mark.parametrize("u", [2.0, -2.0])
def test_cam_with_spectral_norm_divides_its_kernel_by_its_length(u):
    layer = CAM(spectral_norm=True)
    layer.build(FEATURES.shape)
    layer.kernel.assign([[3], [-4]])
    layer.bias.assign([0.5])
    layer.u.assign([[u]])
    logits, weights = layer(FEATURES)
    np.testing.assert_allclose(logits, [[0.6 * 2 - 0.8 * 15 + 0.5, 0.6 * 3 - 0.8 * 20 + 0.5]], rtol=1e-6)
    np.testing.assert_allclose(weights, [[1.1], [-0.3]], rtol=1e-6)


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_conv_equals_a_1x1_conv_of_the_concatenation(heads):
    rng = np.random.default_rng(0)
    features, weights = rng.normal(size=(2, 3, 4, 5)).astype("float32"), rng.normal(size=(5, heads)).astype("float32")
    layer = AttentionConv2D(6)
    layer.build(features.shape)
    for variable in layer.variables:
        variable.assign(rng.normal(size=variable.shape))
    assert layer.kernel.shape == (1, 1, 10, 6)
    concatenation = np.concatenate([features * weights[:, 0], features * weights[:, -1]], axis=-1)
    expected = concatenation @ layer.kernel.numpy()[0, 0] + layer.bias.numpy()
    np.testing.assert_allclose(layer(features, weights), expected, atol=1e-4)
    assert layer.compute_output_shape(features.shape) == expected.shape
