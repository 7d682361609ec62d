"""A CPU kernel: convolutions whose gradient by the kernel is made of matrix products, quicker than oneDNN's own."""

import itertools
from collections.abc import Callable

import tensorflow as tf
from keras import ops

from ugatit_tf.ops.tracing import shared


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, strides: int) -> tf.Tensor:
    """Convolves `[B, H, W, C]` by `[k, k, C, filters]`, of the same type, without padding."""

    @tf.custom_gradient
    def product(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        outputs = tf.nn.conv2d(inputs, kernel, strides, "VALID")

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            upstream.set_shape(outputs.shape)  # it may come without a static one
            by_inputs = tf.nn.conv2d_transpose(upstream, kernel, tf.shape(inputs), strides, "VALID")
            return by_inputs, _by_kernel(inputs, upstream, kernel.shape[0], strides)

        return outputs, gradient

    return product(inputs, kernel)


@tf.custom_gradient
def convolve_transposed(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """The transpose of a convolution by `[4, 4, filters, C]` with strides 2 and a padding of 1, of `[B, H, W, C]`."""
    batch, height, width, _ = ops.shape(inputs)
    outputs = tf.nn.conv2d_transpose(inputs, kernel, (batch, 2 * height, 2 * width, kernel.shape[2]), 2, "SAME")

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream.set_shape(outputs.shape)  # it may come without a static one
        padded = tf.pad(upstream, [[0, 0], [1, 1], [1, 1], [0, 0]])
        return tf.nn.conv2d(padded, kernel, 2, "VALID"), _by_kernel(padded, inputs, kernel.shape[0], 2)

    return outputs, gradient


@shared
def _by_kernel(inputs: tf.Tensor, upstream: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """The gradient by the kernel: for each tap, the products of the inputs and the outputs' gradients that meet there.

    Args:
        inputs: `[B, H, W, C]`.
        upstream: `[B, H', W', filters]`.
        side: of the kernel, in pixels.
        strides: in pixels.

    Returns:
        `[side, side, C, filters]`.
    """
    _, height, width, filters = ops.shape(upstream)
    taps = {}
    for (top, left), pixels in _interleaved(inputs, strides).items():
        rows, columns = range(top, side, strides), range(left, side, strides)
        met = pixels[:, : height + len(rows) - 1, : width + len(columns) - 1]
        gradients = tap_gradients(met, upstream, len(rows), len(columns))
        taps |= dict(zip(itertools.product(rows, columns), gradients, strict=True))
    gradient = tf.stack([taps[place] for place in sorted(taps)])
    return tf.reshape(gradient, [side, side, inputs.shape[-1], filters])


def _interleaved(inputs: tf.Tensor, strides: int) -> dict[tuple[int, int], tf.Tensor]:
    """By the place of their first pixel, the images that are made of every `strides`th row and column."""
    if strides == 1:
        return {(0, 0): inputs}
    batch, height, width, channels = ops.shape(inputs)
    padded = tf.pad(inputs, [[0, 0], [0, -height % strides], [0, -width % strides], [0, 0]])
    rows, columns = -(-height // strides), -(-width // strides)
    blocks = tf.reshape(padded, [batch, rows, strides, columns, strides, channels])
    images = tf.reshape(tf.transpose(blocks, [2, 4, 0, 1, 3, 5]), [strides**2, batch, rows, columns, channels])
    return dict(zip(itertools.product(range(strides), repeat=2), tf.unstack(images), strict=True))


def tap_gradients(inputs: tf.Tensor, upstream: tf.Tensor, rows: int, columns: int) -> list[tf.Tensor]:
    """The gradient of each tap, `[C, filters]`, of a kernel `[rows, columns, C, filters]`, row after row.

    With zeros added to the outputs' rows to make them as long as the inputs', what meets a tap is the inputs from one
    of their pixels on, row after row, which takes no copy.
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
