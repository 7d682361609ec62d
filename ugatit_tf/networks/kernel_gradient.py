"""A convolution whose gradient by its kernel is made of matrix products: on a CPU, quicker than oneDNN's own."""

from collections.abc import Callable

import tensorflow as tf
from keras import ops

from ugatit_tf.networks.shared_graph import shared


@shared
@tf.custom_gradient
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Convolves `[B, H, W, C]` by `[k, k, C, filters]`, of the same type, without padding and strides."""

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        by_inputs = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(inputs), strides=1, padding="VALID")
        return by_inputs, _by_kernel(inputs, upstream, kernel.shape[0])

    return tf.nn.conv2d(inputs, kernel, strides=1, padding="VALID"), gradient


def _by_kernel(inputs: tf.Tensor, upstream: tf.Tensor, side: int) -> tf.Tensor:
    """The gradient by the kernel: for each tap, the products of the inputs and the outputs' gradients that meet there.

    Args:
        inputs: `[B, H, W, C]`.
        upstream: `[B, H - side + 1, W - side + 1, filters]`.
        side: of the kernel, in pixels.

    Returns:
        `[side, side, C, filters]`.
    """
    channels, filters = inputs.shape[-1], upstream.shape[-1]
    pixels = upstream.shape[:-1].num_elements()
    if pixels is not None and pixels < filters:  # the kernel is larger than all that it met
        gradient = _from_patches(inputs, upstream, side)
    else:
        gradient = tf.stack(from_lines(inputs, upstream, side, side))
    return tf.reshape(gradient, [side, side, channels, filters])


def _from_patches(inputs: tf.Tensor, upstream: tf.Tensor, side: int) -> tf.Tensor:
    """All taps at once, of copies of what each pixel of the outputs was made of: `[side * side * C, filters]`."""
    ones = [1, 1, 1, 1]
    patches = tf.image.extract_patches(inputs, [1, side, side, 1], ones, ones, "VALID")
    rows = (tf.reshape(x, [-1, x.shape[-1]]) for x in (patches, upstream))
    return tf.matmul(*rows, transpose_a=True)


def from_lines(inputs: tf.Tensor, upstream: tf.Tensor, rows: int, columns: int) -> list[tf.Tensor]:
    """`[C, filters]` of tap after tap of a kernel `[rows, columns, C, filters]`, row after row.

    With zeros added to the outputs' lines to make them as long as the inputs', what meets a tap is the inputs from one
    of their pixels on, line after line, which takes no copy.
    """
    width = ops.shape(inputs)[2]
    pixels = tf.reshape(inputs, [-1, inputs.shape[-1]])
    padded = tf.pad(upstream, [[0, 0], [0, rows - 1], [0, columns - 1], [0, 0]])
    gradients = tf.reshape(padded, [-1, upstream.shape[-1]])
    starts = [y * width + x for y in range(rows) for x in range(columns)]
    count = ops.shape(gradients)[0] - starts[-1]  # what comes after are zeros
    size = [count, inputs.shape[-1]]
    gradients = tf.slice(gradients, [0, 0], [count, upstream.shape[-1]])
    return [tf.matmul(tf.slice(pixels, [start, 0], size), gradients, transpose_a=True) for start in starts]
