import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.networks.attention import CAM
from ugatit_tf.networks.convolution import ReflectConv2D, UpsampleConv2D, reflect_padding
from ugatit_tf.ops import spectral_norm

# kernel, stride, pad, and what that makes: before, after
PADDING = [(7, 1, 3, 3, 3), (3, 2, 1, 1, 0), (3, 1, 1, 1, 1), (4, 2, 1, 1, 1), (4, 1, 1, 1, 2), (1, 1, 0, 0, 0)]


def perturb(layer, seed=0):
    """Replaces every weight, zeros and ones too, so that each of them has a say in the output."""
    rng = np.random.default_rng(seed)
    for variable in layer.variables:
        variable.assign(rng.normal(size=variable.shape))


def convolve(images, kernel, bias, stride, pad):
    padded = np.pad(images, [(0, 0), pad, pad, (0, 0)], mode="reflect")
    side = len(kernel)
    rows, columns = ((n - side) // stride + 1 for n in padded.shape[1:3])
    out = np.empty((len(images), rows, columns, kernel.shape[-1]))
    for y in range(rows):
        for x in range(columns):
            patch = padded[:, y * stride : y * stride + side, x * stride : x * stride + side]
            out[:, y, x] = np.tensordot(patch, kernel, axes=3) + bias
    return out


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.mark.parametrize(("kernel", "stride", "pad", "before", "after"), PADDING)
def test_reflect_padding_is_the_references(kernel, stride, pad, before, after):
    assert reflect_padding(kernel, stride, pad) == (before, after)


@pytest.mark.parametrize(("kernel", "stride", "pad", "before", "after"), PADDING)
def test_reflect_conv_equals_a_loop(kernel, stride, pad, before, after):
    images = normal(2, 9, 6, 2)
    layer = ReflectConv2D(3, kernel, strides=stride, padding=pad)
    layer.build(images.shape)
    perturb(layer)
    expected = convolve(images, layer.kernel.numpy(), layer.bias.numpy(), stride, (before, after))
    np.testing.assert_allclose(layer(images), expected, atol=1e-4)
    assert layer.compute_output_shape(images.shape) == expected.shape
    assert layer.compute_output_shape((None, None, 6, 2)) == (None, None, *expected.shape[2:])


def test_upsample_conv_repeats_each_pixel_then_convolves():
    images = normal(2, 3, 5, 2)
    layer = UpsampleConv2D(3)
    layer.build(images.shape)
    perturb(layer)
    large = images.repeat(2, axis=1).repeat(2, axis=2)
    expected = convolve(large, layer.kernel.numpy(), layer.bias.numpy(), 1, (1, 1))
    np.testing.assert_allclose(layer(images), expected, atol=1e-4)
    assert layer.compute_output_shape(images.shape) == expected.shape
    assert layer.compute_output_shape((None, None, 5, 2)) == (None, None, *expected.shape[2:])


@pytest.mark.parametrize(
    "make", [lambda: ReflectConv2D(3, 3, padding=1, spectral_norm=True), lambda: CAM(spectral_norm=True)]
)
def test_only_a_training_call_advances_u_and_none_touches_the_raw_kernel(make):
    images = normal(1, 4, 4, 2)
    layer = make()
    layer.build(images.shape)
    perturb(layer)
    kernel, u = layer.kernel.numpy(), layer.u.numpy()
    advanced = spectral_norm(tf.constant(kernel), tf.constant(u)).u

    outputs = keras.tree.map_structure(np.asarray, layer(images))
    np.testing.assert_array_equal(layer.u, u)
    training_outputs = keras.tree.map_structure(np.asarray, layer(images, training=True))
    np.testing.assert_allclose(layer.u, advanced, rtol=1e-5, atol=1e-6)  # a few roundings of float32
    assert not np.allclose(u, advanced)
    np.testing.assert_array_equal(layer.kernel, kernel)
    for output, training_output in zip(*map(keras.tree.flatten, (outputs, training_outputs)), strict=True):
        np.testing.assert_allclose(training_output, output, rtol=1e-5, atol=1e-6)
    assert [v.name for v in layer.non_trainable_variables] == ["u"]


def test_spectral_conv_uses_the_normalized_kernel_and_the_plain_bias():
    images = normal(1, 4, 4, 2)
    layer = ReflectConv2D(3, 3, padding=1, spectral_norm=True)
    layer.build(images.shape)
    perturb(layer)
    kernel = layer.kernel.numpy() / spectral_norm(tf.constant(layer.kernel.numpy()), tf.constant(layer.u.numpy())).value
    np.testing.assert_allclose(layer(images), convolve(images, kernel, layer.bias.numpy(), 1, (1, 1)), atol=1e-5)
