"""A CPU kernel: padding by reflection, and its gradient, as copies of whole pixels.

TensorFlow's own go value by value, and take two to four times as long.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

_FEW_CHANNELS = 8  # fewer are not worth a copy of their own

Padding = tuple[int, int]  # at the top and left, and at the bottom and right, in pixels


def pad(inputs: tf.Tensor, padding: Padding) -> tf.Tensor:
    """Pads `[B, H, W, C]` at its sides, H and W being larger than the padding."""

    @tf.custom_gradient
    def padded(inputs: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return pad_without_gradient(inputs, padding), lambda upstream: fold(upstream, padding)

    return padded(inputs) if padding != (0, 0) else inputs


def pad_without_gradient(inputs: tf.Tensor, padding: Padding, mode: str = "reflect") -> tf.Tensor:
    """As `pad`, for what has its gradient written out; `mode`: "reflect", or "symmetric", which repeats the border."""
    if padding == (0, 0):
        return inputs
    if not _is_worth_it(inputs):
        return tf.pad(inputs, _paddings(padding), mode)
    places = np.arange(np.prod(inputs.shape[:3]), dtype=np.int32).reshape(inputs.shape[:3])
    places = np.pad(places, _paddings(padding)[:3], mode)
    return tf.gather(tf.reshape(inputs, [-1, inputs.shape[-1]]), places)


def fold(upstream: tf.Tensor, padding: Padding, mode: str = "reflect") -> tf.Tensor:
    """The gradient of `pad` by its inputs: adds what was padded to the pixels that it came from."""
    if padding == (0, 0):
        return upstream
    if not _is_worth_it(upstream):
        return tf.raw_ops.MirrorPadGrad(input=upstream, paddings=_paddings(padding), mode=mode.upper())
    places = np.arange(np.prod(upstream.shape[:3]), dtype=np.int32).reshape(upstream.shape[:3])
    before, after = padding
    inner = slice(before, -after or None)
    sources = np.pad(places[:, inner, inner], _paddings(padding)[:3], mode)
    border = sources != places
    pixels = tf.reshape(upstream, [-1, upstream.shape[-1]])
    pixels = tf.tensor_scatter_nd_add(pixels, sources[border][:, np.newaxis], tf.gather(pixels, places[border]))
    batch, height, width, channels = upstream.shape
    size = [batch, height - before - after, width - before - after, channels]
    return tf.slice(tf.reshape(pixels, upstream.shape), [0, before, before, 0], size)


def _paddings(padding: Padding) -> list[Any]:
    return [[0, 0], padding, padding, [0, 0]]


def _is_worth_it(x: tf.Tensor) -> bool:
    return x.shape.is_fully_defined() and x.shape[-1] >= _FEW_CHANNELS
