"""A CPU kernel: convolutions whose gradient by the kernel is made of matrix products, quicker than oneDNN's own."""

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import ops

from ugatit_tf.ops import patches, reflection
from ugatit_tf.ops.tracing import shared

# What the four taps of a transposed convolution are, on an image of half the size, of three taps on a doubled image.
_DOUBLED_ROWS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
_DOUBLED = np.kron(_DOUBLED_ROWS, _DOUBLED_ROWS)  # [16, 9]


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, strides: int, padding: tuple[int, int]) -> tf.Tensor:
    """Pads `[B, H, W, C]` by reflection, then convolves it by `[k, k, C, filters]`, of the same type."""

    @tf.custom_gradient
    def product(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        padded = reflection.pad_without_gradient(inputs, padding)
        outputs = tf.nn.conv2d(padded, kernel, strides, "VALID")

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            upstream.set_shape(outputs.shape)  # it may come without a static one
            padded = _padded_after(upstream, inputs, padding)
            by_padded = tf.nn.conv2d_transpose(upstream, kernel, ops.shape(padded), strides, "VALID")
            return reflection.fold(by_padded, padding), _by_kernel(padded, upstream, kernel.shape[0], strides)

        return outputs, gradient

    return product(inputs, kernel)


@tf.custom_gradient
def upsample(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """What `ops.upsample_conv2d` makes of `[B, H, W, C]` and float32 `[3, 3, C, filters]`, in the inputs' dtype.

    As a transposed convolution, too, but with fewer operations for the gradients.
    """
    batch, height, width, channels = ops.shape(inputs)
    filters = kernel.shape[-1]
    padded = reflection.pad_without_gradient(inputs, (1, 1), "symmetric")
    doubled = tf.reshape(tf.matmul(_DOUBLED, tf.reshape(kernel, [9, -1])), [4, 4, channels, filters])
    doubled = tf.cast(tf.transpose(doubled, [0, 1, 3, 2]), inputs.dtype)
    outputs = tf.nn.conv2d_transpose(padded, doubled, (batch, 2 * height + 4, 2 * width + 4, filters), 2, "SAME")
    outputs = tf.slice(outputs, (0, 2, 2, 0), (batch, 2 * height, 2 * width, filters))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream.set_shape(outputs.shape)  # it may come without a static one
        upstream = tf.pad(upstream, [[0, 0], [3, 3], [3, 3], [0, 0]])
        padded = _padded_after(upstream, inputs, (1, 1), "symmetric")
        by_padded = tf.nn.conv2d(upstream, doubled, 2, "VALID")
        by_doubled = tf.cast(_by_kernel(upstream, padded, 4, 2), kernel.dtype)
        by_doubled = tf.reshape(tf.transpose(by_doubled, [0, 1, 3, 2]), [16, -1])
        by_kernel = tf.reshape(tf.matmul(_DOUBLED, by_doubled, transpose_a=True), kernel.shape)
        return reflection.fold(by_padded, (1, 1), "symmetric"), by_kernel

    return outputs, gradient


def _padded_after(
    upstream: tf.Tensor, inputs: tf.Tensor, padding: reflection.Padding, mode: str = "reflect"
) -> tf.Tensor:
    """Pads inputs for a gradient: once more, and not before that is due, as the copy would wait there in memory."""
    with tf.control_dependencies([upstream]):
        return reflection.pad_without_gradient(inputs, padding, mode)


def _by_kernel(inputs: tf.Tensor, upstream: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """The gradient by the kernel: of small images by their patches, of large ones tap by tap."""
    if patches.are_small(inputs, side, upstream):
        return patches.by_kernel(inputs, upstream, side, strides)
    return _by_taps(inputs, upstream, side, strides)


@shared
def _by_taps(inputs: tf.Tensor, upstream: tf.Tensor, side: int, strides: int) -> tf.Tensor:
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
        gradients = _tap_gradients(met, upstream, len(rows), len(columns))
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


def _tap_gradients(inputs: tf.Tensor, upstream: tf.Tensor, rows: int, columns: int) -> list[tf.Tensor]:
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
