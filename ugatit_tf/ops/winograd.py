"""A CPU kernel: 3x3 convolutions at half the multiplications (Winograd; Lavin and Gray, 2016).

It makes four rows of outputs at once. Along a column, these four and the three taps that they were made with are the
coefficients of polynomials; a convolution is the transpose of multiplying those, which takes one product for each of
six points to evaluate them at. Along rows, and over channels, what is left to do at each point is an ordinary
convolution by a 1x3 kernel.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import ops

from ugatit_tf.ops import reflection
from ugatit_tf.ops.kernel_gradient import tap_gradients
from ugatit_tf.ops.tracing import shared

ROWS = 4
_TAPS = 3
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)  # and infinity: of those that were tried, they round the least
_ALL = len(_POINTS) + 1


def _evaluation(coefficients: int) -> np.ndarray:
    """Evaluates a polynomial, by its coefficients, at each point: float64 `[points, coefficients]`."""
    return np.vstack([np.vander(_POINTS, coefficients, increasing=True), np.eye(coefficients)[-1]])


_OUTPUTS = _evaluation(ROWS).T.astype(np.float32)  # [4, 6]: what rows of outputs take of points
_KERNEL = _evaluation(_TAPS).astype(np.float32)  # [6, 3]: what points take of the kernel's rows
_INPUTS = np.linalg.inv(_evaluation(ROWS + _TAPS - 1)).T.astype(np.float32)  # [6, 6]: of rows of inputs


@shared
@tf.custom_gradient
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Pads float32 `[B, H, W, C]` by reflecting one pixel, then convolves it by `[3, 3, C, filters]`.

    H, a multiple of ROWS, and W have to be known.
    """
    return _outputs(inputs, kernel), lambda upstream: _gradients(inputs, kernel, upstream)


def _outputs(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    batch, height, width, _ = ops.shape(inputs)
    points = zip(_at_points(inputs), _kernels(kernel), strict=True)
    products = [tf.nn.conv2d(*factors, 1, "VALID") for factors in points]
    rows = tf.reshape(_mixed(_OUTPUTS, tf.stack(products)), [ROWS, batch, height // ROWS, -1])
    return tf.reshape(tf.transpose(rows, [1, 2, 0, 3]), [batch, height, width, kernel.shape[-1]])


def _gradients(inputs: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients by inputs and kernel: each step of `_outputs` transposed, in reverse."""
    batch, height, width, channels = ops.shape(inputs)
    tiles = height // ROWS
    rows = tf.transpose(tf.reshape(upstream, [batch, tiles, ROWS, -1]), [2, 0, 1, 3])
    products = tf.reshape(_mixed(_OUTPUTS.T, rows), [_ALL, 1, batch * tiles, width, kernel.shape[-1]])
    products = tf.unstack(products)

    points = _at_points(inputs)
    by_kernels = [tap_gradients(*factors, 1, _TAPS) for factors in zip(points, products, strict=True)]
    by_kernel = _mixed(_KERNEL.T, tf.stack(sum(by_kernels, [])))

    by_points = [
        tf.nn.conv2d_transpose(*factors, tf.shape(points[0]), 1, "VALID")
        for factors in zip(products, _kernels(kernel), strict=True)
    ]
    rows = tf.reshape(_mixed(_INPUTS.T, tf.stack(by_points)), [_ALL, batch, tiles, -1])
    rows = tf.transpose(rows, [1, 2, 0, 3])
    # Two of the six rows belong to the next tile, too.
    own = tf.pad(rows[:, :, :ROWS], [[0, 0], [0, 1], [0, 0], [0, 0]])
    next_ones = tf.pad(rows[:, :, ROWS:], [[0, 0], [1, 0], [0, ROWS - 2], [0, 0]])
    by_padded = tf.reshape(own + next_ones, [batch, height + ROWS, width + 2, channels])[:, : height + 2]
    return reflection.fold(by_padded, (1, 1)), tf.reshape(by_kernel, kernel.shape)


def _at_points(inputs: tf.Tensor) -> list[tf.Tensor]:
    """For each point, `[1, B * H / 4, W + 2, C]`: the tiles of six padded rows, which begin at every fourth, there."""
    batch, height, width, channels = ops.shape(inputs)
    rows, columns = (np.pad(np.arange(side), 1, mode="reflect") for side in (height, width))
    tiles = np.lib.stride_tricks.sliding_window_view(rows, ROWS + 2)[::ROWS].T  # [6, H / 4]
    pixels = tiles[:, None, :, None] * width + columns + height * width * tf.range(batch)[:, None, None]
    pixels = tf.gather(tf.reshape(inputs, [-1, channels]), pixels)
    return tf.unstack(tf.reshape(_mixed(_INPUTS, pixels), [_ALL, 1, -1, width + 2, channels]))


def _kernels(kernel: tf.Tensor) -> list[tf.Tensor]:
    """For each point, the kernel's rows there: `[1, 3, C, filters]`."""
    return tf.unstack(tf.reshape(_mixed(_KERNEL, kernel), [_ALL, 1, *kernel.shape[1:]]))


def _mixed(matrix: np.ndarray, x: tf.Tensor) -> tf.Tensor:
    """The matrix times `[columns, ...]`: `[rows, ...]`, flattened behind the first dimension."""
    return tf.matmul(matrix, tf.reshape(x, [matrix.shape[1], -1]))
