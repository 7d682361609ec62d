"""A CPU kernel: padding by reflection, and its gradient, as copies of whole pixels.

TensorFlow's `tf.pad` and its gradient copy value by value, which takes two to four times as long.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

_MIN_CHANNELS = 8  # with fewer, copying by pixel takes longer than copying by value

Padding = tuple[int, int]  # pixels at the top and left, and pixels at the bottom and right


def pad(inputs: tf.Tensor, padding: Padding) -> tf.Tensor:
    """Pads `[B, H, W, C]` by reflection; H and W must be larger than the padding."""

    @tf.custom_gradient
    def padded(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return pad_without_gradient(inputs, padding), lambda upstream: fold(upstream, padding)

    return padded(inputs) if padding != (0, 0) else inputs


def pad_without_gradient(inputs: tf.Tensor, padding: Padding, mode: str = "reflect") -> tf.Tensor:
    """Pads inside a function that computes its gradient itself, by `fold`.

    Args:
        inputs: `[B, H, W, C]`.
        padding: pixels to add.
        mode: "reflect", or "symmetric", which repeats the border pixels.
    """
    if padding == (0, 0):
        return inputs
    if not _can_copy_pixels(inputs):
        return tf.pad(inputs, _paddings(padding), mode)
    indices = np.arange(np.prod(inputs.shape[:3]), dtype=np.int32).reshape(inputs.shape[:3])
    indices = np.pad(indices, _paddings(padding)[:3], mode)
    return tf.gather(tf.reshape(inputs, [-1, inputs.shape[-1]]), indices)


def fold(upstream: tf.Tensor, padding: Padding, mode: str = "reflect") -> tf.Tensor:
    """Computes the gradient of padding by its inputs: adds the gradients of each pixel's copies to its own."""
    if padding == (0, 0):
        return upstream
    if not _can_copy_pixels(upstream):
        return tf.raw_ops.MirrorPadGrad(input=upstream, paddings=_paddings(padding), mode=mode.upper())
    indices = np.arange(np.prod(upstream.shape[:3]), dtype=np.int32).reshape(upstream.shape[:3])
    before, after = padding
    inner = slice(before, -after or None)
    sources = np.pad(indices[:, inner, inner], _paddings(padding)[:3], mode)
    border = sources != indices
    pixels = tf.reshape(upstream, [-1, upstream.shape[-1]])
    pixels = tf.tensor_scatter_nd_add(pixels, sources[border][:, np.newaxis], tf.gather(pixels, indices[border]))
    batch, height, width, channels = upstream.shape
    size = [batch, height - before - after, width - before - after, channels]
    return tf.slice(tf.reshape(pixels, upstream.shape), [0, before, before, 0], size)


def _paddings(padding: Padding) -> list[Any]:
    return [[0, 0], padding, padding, [0, 0]]


def _can_copy_pixels(x: tf.Tensor) -> bool:
    """Returns whether the shape is known, so that indices can be computed, with enough channels."""
    return x.shape.is_fully_defined() and x.shape[-1] >= _MIN_CHANNELS
