"""A CPU kernel: convolutions of few pixels by a large kernel, as matrix products.

oneDNN's own take longer to bring the kernel into their memory layout than to multiply by it.
"""

from collections.abc import Callable

import tensorflow as tf
from keras import ops

from ugatit_tf.ops.tracing import shared


@tf.custom_gradient
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Convolves `[B, H, W, C]` by `[k, k, C, filters]`, of the same type, without padding and strides."""
    outputs = _outputs(inputs, kernel)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream.set_shape(outputs.shape)  # it may come without a static one
        return _by_inputs(kernel, upstream), _by_kernel(inputs, upstream, kernel.shape[0])

    return outputs, gradient


@shared
def _outputs(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    side, _, _, filters = kernel.shape
    patches = _patches(inputs, side)
    products = tf.matmul(_matrix(patches), tf.reshape(kernel, [-1, filters]))
    return tf.reshape(products, [*ops.shape(patches)[:-1], filters])


@shared
def _by_inputs(kernel: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    side, _, channels, filters = kernel.shape
    # This way round, as the larger matrix is not transposed then.
    by_patches = tf.matmul(tf.reshape(kernel, [-1, filters]), _matrix(upstream), transpose_b=True)
    by_patches = tf.reshape(by_patches, [side, side, channels, *ops.shape(upstream)[:-1]])
    by_taps = [
        tf.pad(by_patches[y, x], [[0, 0], [0, 0], [y, side - 1 - y], [x, side - 1 - x]])
        for y in range(side)
        for x in range(side)
    ]
    return tf.transpose(tf.add_n(by_taps), [1, 2, 3, 0])


@shared
def _by_kernel(inputs: tf.Tensor, upstream: tf.Tensor, side: int) -> tf.Tensor:
    gradient = tf.matmul(_matrix(_patches(inputs, side)), _matrix(upstream), transpose_a=True)
    return tf.reshape(gradient, [side, side, inputs.shape[-1], upstream.shape[-1]])


def _patches(inputs: tf.Tensor, side: int) -> tf.Tensor:
    """What each pixel of the outputs is made of: `[B, H', W', side * side * C]`."""
    ones = [1, 1, 1, 1]
    return tf.image.extract_patches(inputs, [1, side, side, 1], ones, ones, "VALID")


def _matrix(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])
