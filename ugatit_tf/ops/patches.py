"""A CPU kernel: convolutions, or their gradients by the kernel, as one matrix product over patches.

A patch is the part of the inputs that makes one output pixel. This form is faster in two cases:

- A convolution with few output pixels and a large kernel. oneDNN takes longer to bring the kernel into its own memory
  layout than to multiply by it. Measured with a 4x4 kernel from 1024 to 2048 channels and 8x8 outputs: the gradient by
  the kernel takes 24 ms instead of 42 ms, the gradient by the inputs 36 ms instead of 73 ms.
- The gradient by the kernel on small images, whose patches fit in the cache.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import ops

from ugatit_tf.ops.tracing import shared

_CACHED_VALUES = 2**20  # values in all patches; more have left the cache when they are multiplied


def are_small(inputs: tf.Tensor, side: int, outputs: tf.Tensor) -> bool:
    """Returns whether all patches fit in the cache; False where sizes are unknown while tracing."""
    if None in (*inputs.shape, *outputs.shape):
        return False
    return math.prod(outputs.shape[:3]) * side**2 * inputs.shape[-1] <= _CACHED_VALUES


@tf.custom_gradient
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Convolves `[B, H, W, C]` with `[k, k, C, filters]`, without padding or strides."""
    outputs = _outputs(inputs, kernel)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream.set_shape(outputs.shape)  # TensorFlow may pass it without a static shape
        return _by_inputs(kernel, upstream), by_kernel(inputs, upstream, kernel.shape[0], 1)

    return outputs, gradient


@tf.custom_gradient
def convolve_over_norm(
    inputs: tf.Tensor, kernel: tf.Tensor, norm: tf.Tensor, v: tf.Tensor, u: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Convolves as `convolve` with the kernel divided by its spectral norm.

    The gradient of the norm by the kernel is `transpose(v) @ u`. It is added as one more row to the two factors of the
    gradient by the kernel, because as a matrix of its own it would be as large as the kernel.

    Args:
        inputs: `[B, H, W, C]`.
        kernel: `[k, k, C, filters]`.
        norm: spectral norm of the kernel, a scalar.
        v: left singular vector, `[1, k * k * C]`.
        u: right singular vector, `[1, filters]`.
    """
    outputs = _outputs(inputs, kernel) / norm

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        upstream.set_shape(outputs.shape)  # TensorFlow may pass it without a static shape
        upstream /= norm
        by_norm = -tf.reduce_sum(upstream * outputs)
        rows = tf.concat([_patches(inputs, kernel.shape[0], 1), v], 0)
        by_rows = tf.concat([_matrix(upstream), by_norm * u], 0)
        by_kernel = tf.reshape(tf.matmul(rows, by_rows, transpose_a=True), kernel.shape)
        return _by_inputs(kernel, upstream), by_kernel, None, None, None

    return outputs, gradient


def _outputs(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    side, _, _, filters = kernel.shape
    batch, height, width, _ = ops.shape(inputs)
    products = tf.matmul(_patches(inputs, side, 1), tf.reshape(kernel, [-1, filters]))
    return tf.reshape(products, [batch, height - side + 1, width - side + 1, filters])


@shared
def _by_inputs(kernel: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    side, _, channels, filters = kernel.shape
    # The factors are in this order so that the smaller matrix is the transposed one.
    by_patches = tf.matmul(tf.reshape(kernel, [-1, filters]), _matrix(upstream), transpose_b=True)
    by_patches = tf.reshape(by_patches, [side, side, channels, *ops.shape(upstream)[:-1]])
    by_taps = [
        tf.pad(by_patches[y, x], [[0, 0], [0, 0], [y, side - 1 - y], [x, side - 1 - x]])
        for y in range(side)
        for x in range(side)
    ]
    return tf.transpose(tf.add_n(by_taps), [1, 2, 3, 0])


def by_kernel(inputs: tf.Tensor, upstream: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """Computes the gradient of a convolution without padding by its kernel, `[side, side, C, filters]`.

    Args:
        inputs: `[B, H, W, C]`.
        upstream: gradient by the outputs, `[B, H', W', filters]`.
        side: side of the kernel, in pixels.
        strides: stride of the convolution, in pixels.
    """
    gradient = tf.matmul(_patches(inputs, side, strides), _matrix(upstream), transpose_a=True)
    return tf.reshape(gradient, [side, side, inputs.shape[-1], upstream.shape[-1]])


def _patches(inputs: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """Returns the patch of each output pixel: `[B * H' * W', side * side * C]`."""
    if not inputs.shape.is_fully_defined():
        sizes = ([1, length, length, 1] for length in (side, strides, 1))
        return _matrix(tf.image.extract_patches(inputs, *sizes, "VALID"))
    # The gather copies whole pixels. TensorFlow's extract_patches copies value by value.
    indices = np.arange(math.prod(inputs.shape[:3]), dtype=np.int32).reshape(inputs.shape[:3])
    indices = np.lib.stride_tricks.sliding_window_view(indices, (side, side), axis=(1, 2))[:, ::strides, ::strides]
    pixels = tf.gather(_matrix(inputs), indices.reshape(-1, side**2))
    return tf.reshape(pixels, [-1, side**2 * inputs.shape[-1]])


def _matrix(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])
