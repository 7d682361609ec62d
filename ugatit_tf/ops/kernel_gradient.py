"""A CPU kernel: convolutions whose gradient with respect to the kernel is computed by matrix products.

The outputs are TensorFlow's own. But oneDNN, which TensorFlow uses on a CPU, takes two to three times as long for the
gradient of a strided kernel as for the convolution itself. That gradient is, for each tap of the kernel, the product of
two matrices: the input pixels that the tap meets, and the gradients of the outputs. Consecutive rows of pixels lie
consecutively in memory, so each matrix is a slice, not a copy. A strided convolution is split first into images of
every second row and column, on which it has no stride.

Measured: the gradient of a strided 3x3 kernel from 128 to 256 channels, with 64x64 outputs and batch 2, takes 32 ms
instead of 80 ms. On small images, one product over patches is faster still (`patches`).
"""

import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import ops

from ugatit_tf.ops import patches, reflection
from ugatit_tf.ops.tracing import shared

# The matrices make the 4-tap transposed kernel that equals a 3-tap kernel on the upsampled image: along one axis, and
# along both.
_DOUBLED_ROWS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
_DOUBLED = np.kron(_DOUBLED_ROWS, _DOUBLED_ROWS)  # [16, 9]


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, strides: int, padding: tuple[int, int]) -> tf.Tensor:
    """Pads `[B, H, W, C]` by reflection, then convolves it with `[k, k, C, filters]` of the same dtype."""

    @tf.custom_gradient
    def product(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        padded = reflection.pad_without_gradient(inputs, padding)
        outputs = tf.nn.conv2d(padded, kernel, strides, "VALID")

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            upstream.set_shape(outputs.shape)  # TensorFlow may pass it without a static shape
            padded = _padded_after(upstream, inputs, padding)
            by_padded = tf.nn.conv2d_transpose(upstream, kernel, ops.shape(padded), strides, "VALID")
            return reflection.fold(by_padded, padding), _by_kernel(padded, upstream, kernel.shape[0], strides)

        return outputs, gradient

    return product(inputs, kernel)


@tf.custom_gradient
def upsample(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Computes `upsample_conv2d` without the bias, with fewer operations for the gradients.

    Args:
        inputs: `[B, H, W, C]`.
        kernel: float32 `[3, 3, C, filters]`.

    Returns:
        `[B, 2 * H, 2 * W, filters]` in the dtype of the inputs.
    """
    batch, height, width, channels = ops.shape(inputs)
    filters = kernel.shape[-1]
    padded = reflection.pad_without_gradient(inputs, (1, 1), "symmetric")
    doubled = tf.reshape(tf.matmul(_DOUBLED, tf.reshape(kernel, [9, -1])), [4, 4, channels, filters])
    doubled = tf.cast(tf.transpose(doubled, [0, 1, 3, 2]), inputs.dtype)
    outputs = tf.nn.conv2d_transpose(padded, doubled, (batch, 2 * height + 4, 2 * width + 4, filters), 2, "SAME")
    outputs = tf.slice(outputs, (0, 2, 2, 0), (batch, 2 * height, 2 * width, filters))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream.set_shape(outputs.shape)  # TensorFlow may pass it without a static shape
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
    """Pads the inputs again for the gradient, once `upstream` is computed.

    The padded copy of the forward pass is not kept, because it would take memory until the gradient needs it. For the
    same reason, the new copy waits for `upstream`.
    """
    with tf.control_dependencies([upstream]):
        return reflection.pad_without_gradient(inputs, padding, mode)


def _by_kernel(inputs: tf.Tensor, upstream: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """Computes the gradient by the kernel: over patches for small images, tap by tap for large ones."""
    if patches.are_small(inputs, side, upstream):
        return patches.by_kernel(inputs, upstream, side, strides)
    return _by_taps(inputs, upstream, side, strides)


@shared
def _by_taps(inputs: tf.Tensor, upstream: tf.Tensor, side: int, strides: int) -> tf.Tensor:
    """Computes the gradient by the kernel: for each tap, the product of the inputs that it meets and of `upstream`.

    Args:
        inputs: padded inputs, `[B, H, W, C]`.
        upstream: gradient by the outputs, `[B, H', W', filters]`.
        side: side of the kernel, in pixels.
        strides: stride of the convolution, in pixels.

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
    """Splits images into those of every `strides`th row and column, by the row and column of their first pixel."""
    if strides == 1:
        return {(0, 0): inputs}
    batch, height, width, channels = ops.shape(inputs)
    padded = tf.pad(inputs, [[0, 0], [0, -height % strides], [0, -width % strides], [0, 0]])
    rows, columns = -(-height // strides), -(-width // strides)
    blocks = tf.reshape(padded, [batch, rows, strides, columns, strides, channels])
    images = tf.reshape(tf.transpose(blocks, [2, 4, 0, 1, 3, 5]), [strides**2, batch, rows, columns, channels])
    return dict(zip(itertools.product(range(strides), repeat=2), tf.unstack(images), strict=True))


def _tap_gradients(inputs: tf.Tensor, upstream: tf.Tensor, rows: int, columns: int) -> list[tf.Tensor]:
    """Returns the gradient `[C, filters]` of each tap of a kernel `[rows, columns, C, filters]`, row by row.

    Zeros make the rows of `upstream` as long as those of the inputs. The inputs that a tap meets are then all pixels
    from one pixel on, in their order in memory: a slice, which takes no copy.
    """
    width = ops.shape(inputs)[2]
    pixels = tf.reshape(inputs, [-1, inputs.shape[-1]])
    padded = tf.pad(upstream, [[0, 0], [0, rows - 1], [0, columns - 1], [0, 0]])
    gradients = tf.reshape(padded, [-1, upstream.shape[-1]])
    starts = [y * width + x for y in range(rows) for x in range(columns)]
    count = ops.shape(gradients)[0] - starts[-1]  # the remaining rows are zeros
    size = [count, inputs.shape[-1]]
    gradients = tf.slice(gradients, [0, 0], [count, upstream.shape[-1]])
    return [tf.matmul(tf.slice(pixels, [start, 0], size), gradients, transpose_a=True) for start in starts]
