"""A CPU kernel: 3x3 convolutions at a quarter of the multiplications (Winograd; Lavin and Gray, 2016).

It makes tiles of 4x4 outputs at once. Along an axis, four outputs and the three taps that they were made with are the
coefficients of polynomials; a convolution is the transpose of multiplying those, which takes one product for each of
six points to evaluate them at. Along both axes that makes 36 points. What is left to do at each of them is a product of
matrices, over the channels.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from keras import ops

from ugatit_tf.ops import reflection
from ugatit_tf.ops.tracing import shared

TILE = 4  # side in pixels
_TAPS = 3
_SIDE = TILE + _TAPS - 1  # of the inputs of a tile
_POINTS = (0.0, 2 / 3, -2 / 3, 1.5, -1.5)  # and infinity: of those that were tried, they round the least


def _evaluation(coefficients: int) -> np.ndarray:
    """Evaluates a polynomial, by its coefficients, at each point: float64 `[points, coefficients]`."""
    return np.vstack([np.vander(_POINTS, coefficients, increasing=True), np.eye(coefficients)[-1]])


def _along_both_axes(matrix: np.ndarray) -> np.ndarray:
    return np.kron(matrix, matrix).astype(np.float32)


_OUTPUTS = _along_both_axes(_evaluation(TILE).T)  # [16, 36]: what a tile of outputs takes of points
_KERNEL = _along_both_axes(_evaluation(_TAPS))  # [36, 9]: what points take of the kernel
_INPUTS = _along_both_axes(np.linalg.inv(_evaluation(_SIDE)).T)  # [36, 36]: of a tile's inputs


@shared
@tf.custom_gradient
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Pads float32 `[B, H, W, C]` by reflecting one pixel, then convolves it by `[3, 3, C, filters]`.

    H and W, multiples of TILE, have to be known.
    """
    return _outputs(inputs, kernel), lambda upstream: _gradients(inputs, kernel, upstream)


def _outputs(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    batch, height, width, _ = ops.shape(inputs)
    products = tf.matmul(_at_points(inputs), _kernels(kernel))
    shape = [TILE, TILE, batch, height // TILE, width // TILE, kernel.shape[-1]]
    return _image(tf.reshape(_mixed(_OUTPUTS, products), shape))


def _gradients(inputs: tf.Tensor, kernel: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The gradients by inputs and kernel: each step of `_outputs` transposed, in reverse."""
    batch, height, width, channels = ops.shape(inputs)
    rows, columns = height // TILE, width // TILE
    tiles = tf.reshape(upstream, [batch, rows, TILE, columns, TILE, kernel.shape[-1]])
    products = _mixed(_OUTPUTS.T, tf.transpose(tiles, [2, 4, 0, 1, 3, 5]))
    products = tf.reshape(products, [len(_INPUTS), -1, kernel.shape[-1]])
    by_kernels = tf.matmul(_at_points(inputs), products, transpose_a=True)
    by_points = tf.matmul(products, _kernels(kernel), transpose_b=True)
    tiles = tf.reshape(_mixed(_INPUTS.T, by_points), [_SIDE, _SIDE, batch, rows, columns, channels])
    by_padded = _image(_without_overlap(_without_overlap(tiles, 0), 1))[:, : height + 2, : width + 2]
    return reflection.fold(by_padded, (1, 1)), tf.reshape(_mixed(_KERNEL.T, by_kernels), kernel.shape)


def _at_points(inputs: tf.Tensor) -> tf.Tensor:
    """The tiles of 6x6 padded pixels, which begin at every fourth in a row and column, at each point.

    Returns:
        `[36, B * H / 4 * W / 4, C]`.
    """
    batch, height, width, channels = ops.shape(inputs)
    rows, columns = (
        np.lib.stride_tricks.sliding_window_view(np.pad(np.arange(side), 1, mode="reflect"), _SIDE)[::TILE].T
        for side in (height, width)
    )
    pixels = rows[:, None, None, :, None] * width + columns[:, None, None, :]  # [6, 6, 1, H / 4, W / 4]
    pixels = tf.gather(tf.reshape(inputs, [-1, channels]), pixels + height * width * tf.range(batch)[:, None, None])
    return tf.reshape(_mixed(_INPUTS, pixels), [len(_INPUTS), -1, channels])


def _kernels(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel at each point: `[36, C, filters]`."""
    return tf.reshape(_mixed(_KERNEL, kernel), [len(_KERNEL), *kernel.shape[2:]])


def _mixed(matrix: np.ndarray, x: tf.Tensor) -> tf.Tensor:
    """The matrix times `[..., values]`, with as many values before the last ones as it has columns."""
    return tf.matmul(matrix, tf.reshape(x, [matrix.shape[1], -1]))


def _without_overlap(tiles: tf.Tensor, axis: int) -> tf.Tensor:
    """Adds what a tile's inputs share with the next one's to those, along rows, `axis` 0, or columns, 1.

    Args:
        tiles: `[rows in a tile, columns in a tile, B, rows of tiles, columns of tiles, C]`.
        axis: along which there are six in a tile.

    Returns:
        The same with four in a tile, and one more row or column of tiles.
    """
    own, shared_ones = tf.split(tiles, [TILE, _SIDE - TILE], axis)
    paddings = np.zeros([2, 6, 2], int)
    paddings[0, axis + 3, 1] = paddings[1, axis + 3, 0] = 1
    paddings[1, axis, 1] = 2 * TILE - _SIDE
    return tf.pad(own, paddings[0]) + tf.pad(shared_ones, paddings[1])


def _image(tiles: tf.Tensor) -> tf.Tensor:
    """Images `[B, H, W, C]` of `[4, 4, B, H / 4, W / 4, C]`."""
    _, _, batch, rows, columns, channels = ops.shape(tiles)
    return tf.reshape(tf.transpose(tiles, [2, 3, 0, 4, 1, 5]), [batch, TILE * rows, TILE * columns, channels])
