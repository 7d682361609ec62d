"""A CPU kernel: convolutions, or their gradients by the kernel, as one matrix product over patches.

Of few pixels and a large kernel, a convolution is faster so: oneDNN's own take longer to bring the kernel into their
memory layout than to multiply by it. Of small images, the gradient is.
"""

import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import ops

from ugatit_tf.ops.tracing import shared

_MOST = 2**20  # values of all patches of an image: more are not in the cache any more when they are multiplied


def are_small(inputs: tf.Tensor, side: int, outputs: tf.Tensor) -> bool:
    """Whether the patches that outputs are made of are few; not where sizes are unknown while tracing."""
    if None in (*inputs.shape, *outputs.shape):
        return False
    return math.prod(outputs.shape[:3]) * side**2 * inputs.shape[-1] <= _MOST


@tf.custom_gradient
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Convolves `[B, H, W, C]` by `[k, k, C, filters]` without padding and strides."""
    outputs = _outputs(inputs, kernel)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream.set_shape(outputs.shape)  # it may come without a static one
        return _by_inputs(kernel, upstream), by_kernel(inputs, upstream, kernel.shape[0], 1)

    return outputs, gradient


@tf.custom_gradient
def convolve_over_norm(
    inputs: tf.Tensor, kernel: tf.Tensor, norm: tf.Tensor, v: tf.Tensor, u: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """As `convolve`, of the kernel over its `SpectralNorm`.

    The norm's share in the gradient by the kernel, `v` times `u`, comes from the same product, and not as another
    matrix as large as the kernel.
    """
    outputs = _outputs(inputs, kernel) / norm

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor | None, ...]:
        upstream.set_shape(outputs.shape)  # it may come without a static one
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
    # This way round, as the larger matrix is not transposed then.
    by_patches = tf.matmul(tf.reshape(kernel, [-1, filters]), _matrix(upstream), transpose_b=True)
    by_patches = tf.reshape(by_patches, [side, side, channels, *ops.shape(upstream)[:-1]])
    by_taps = [
        tf.pad(by_patches[y, x], [[0, 0], [0, 0], [y, side - 1 - y], [x, side - 1 - x]])
        for y in range(side)
        for x in range(side)
    ]
    return tf.transpose(tf.add_n(by_taps), [1, 2, 3, 0])


def by_kernel(inputs: tf.Tensor, upstream: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """The gradient of a convolution without padding by its kernel, `[side, side, C, filters]`.

    Args:
        inputs: `[B, H, W, C]`.
        upstream: the gradient by the outputs, `[B, H', W', filters]`.
        side: of the kernel, in pixels.
        strides: in pixels.
    """
    gradient = tf.matmul(_patches(inputs, side, strides), _matrix(upstream), transpose_a=True)
    return tf.reshape(gradient, [side, side, inputs.shape[-1], upstream.shape[-1]])


def _patches(inputs: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """What each pixel of the outputs is made of: `[B * H' * W', side * side * C]`."""
    if not inputs.shape.is_fully_defined():
        sizes = ([1, length, length, 1] for length in (side, strides, 1))
        return _matrix(tf.image.extract_patches(inputs, *sizes, "VALID"))
    # As copies of whole pixels: TensorFlow's own goes value by value.
    places = np.arange(math.prod(inputs.shape[:3]), dtype=np.int32).reshape(inputs.shape[:3])
    places = np.lib.stride_tricks.sliding_window_view(places, (side, side), axis=(1, 2))[:, ::strides, ::strides]
    pixels = tf.gather(_matrix(inputs), places.reshape(-1, side**2))
    return tf.reshape(pixels, [-1, side**2 * inputs.shape[-1]])


def _matrix(x: tf.Tensor) -> tf.Tensor:
    return tf.reshape(x, [-1, x.shape[-1]])
