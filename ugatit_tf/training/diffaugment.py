"""Differentiable augmentation of the discriminators' inputs (Zhao et al., 2020, https://arxiv.org/abs/2006.10738).

With few training images, discriminators soon learn them by heart. So the discriminators see augmented images only, real
and fake, in their own updates and in the generators' updates. Gradients flow through the augmentation to the
generators, which therefore do not learn to make augmented images. Each policy draws new random values for each image.
"""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from ugatit_tf.training.penalties import Uniform

_TRANSLATION = 0.125  # largest shift, as a share of the side
_CUTOUT = 0.5  # side of the square, as a share of the side
_BRIGHTNESS_SALT, _SATURATION_SALT, _CONTRAST_SALT, _SHIFT_SALT, _HOLE_SALT = range(5)


def augment(images: tf.Tensor, policies: Sequence[str], uniform: Uniform) -> tf.Tensor:
    """Augments images by policies, one after another.

    Args:
        images: float32 `[B, H, W, C]` in [-1, 1]; a fourth channel is alpha, which color does not change.
        policies: keys of `POLICIES`; without policies, the images are returned unchanged.
        uniform: source of random numbers. Two batches augmented with one source get equal choices, image by image.

    Returns:
        Images of the same shape; with color, values may leave [-1, 1].
    """
    for policy in policies:
        images = POLICIES[policy](images, uniform)
    return images


def _color(images: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Changes brightness by up to 0.5, saturation by a factor of 0 to 2, and contrast by a factor of 0.5 to 1.5."""
    shape = (tf.shape(images)[0], 1, 1, 1)
    colors, alpha = images[..., :3], images[..., 3:]
    colors += uniform(shape, _BRIGHTNESS_SALT) - 0.5
    grey = tf.reduce_mean(colors, axis=3, keepdims=True)
    colors = grey + (colors - grey) * 2.0 * uniform(shape, _SATURATION_SALT)
    mean = tf.reduce_mean(colors, axis=(1, 2, 3), keepdims=True)
    colors = mean + (colors - mean) * (0.5 + uniform(shape, _CONTRAST_SALT))
    return tf.concat([colors, alpha], 3)


def _translation(images: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Shifts images by up to an eighth of their sides, and fills with 0, a medium grey."""
    sides = tf.shape(images)[1:3]
    farthest = _share(sides, _TRANSLATION)
    shifts = _draw(uniform, tf.shape(images)[0], _SHIFT_SALT, -farthest, farthest)
    for axis in (0, 1):
        source = tf.range(sides[axis]) - shifts[:, axis, tf.newaxis]  # [B, side]
        inside = (source >= 0) & (source < sides[axis])
        source = tf.clip_by_value(source, 0, sides[axis] - 1)
        images = tf.gather(images, source, axis=1 + axis, batch_dims=1) * _along(axis, inside)
    return images


def _cutout(images: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Sets a rectangle of half the sides to 0. Its center is anywhere in the image, so part of it may lie outside."""
    sides = tf.shape(images)[1:3]
    holes = _share(sides, _CUTOUT)
    starts = _draw(uniform, tf.shape(images)[0], _HOLE_SALT, tf.zeros_like(sides), sides - holes % 2) - holes // 2
    hole = 1.0
    for axis in (0, 1):
        offset = tf.range(sides[axis]) - starts[:, axis, tf.newaxis]  # [B, side]
        hole *= _along(axis, (offset >= 0) & (offset < holes[axis]))
    return images * (1.0 - hole)


POLICIES: dict[str, Callable[[tf.Tensor, Uniform], tf.Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}


def _share(sides: tf.Tensor, ratio: float) -> tf.Tensor:
    """Multiplies the sides by a ratio, rounded to pixels."""
    return tf.cast(tf.cast(sides, tf.float32) * ratio + 0.5, tf.int32)


def _draw(uniform: Uniform, count: tf.Tensor, salt: int, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """Draws integers from `low` to `high`, both inclusive and `[2]`: returns `[count, 2]`, for height and width."""
    return low + tf.cast(uniform((count, 2), salt) * tf.cast(high - low + 1, keras.config.floatx()), tf.int32)


def _along(axis: int, mask: tf.Tensor) -> tf.Tensor:
    """Returns a mask `[B, side]` of rows (axis 0) or columns (axis 1) as floats that broadcast to images."""
    mask = mask[:, tf.newaxis, :, tf.newaxis] if axis else mask[:, :, tf.newaxis, tf.newaxis]
    return tf.cast(mask, keras.config.floatx())
