"""Differentiable augmentation of what the discriminators see (Zhao et al., 2020, https://arxiv.org/abs/2006.10738).

Real and fake images alike are augmented before the discriminators, in their updates and in the generators': few
training images are then not known by heart so soon, and the generators do not learn to make augmented ones. Each
policy draws anew for each image; gradients pass through.
"""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from ugatit_tf.training.penalties import Uniform

_TRANSLATION = 0.125  # of the side, at most
_CUTOUT = 0.5  # of the side
_BRIGHTNESS_SALT, _SATURATION_SALT, _CONTRAST_SALT, _SHIFT_SALT, _HOLE_SALT = range(5)


def augment(images: tf.Tensor, policies: Sequence[str], uniform: Uniform) -> tf.Tensor:
    """Augments images by some policies, one after the other.

    Args:
        images: float32 `[B, H, W, C]` in [-1, 1]; a fourth channel is alpha, which keeps its values.
        policies: keys of `POLICIES`; with none, the images themselves are returned.
        uniform: the source of randomness. Images of the same number get the same choices from the same source.

    Returns:
        Of the same shape; color leads out of [-1, 1].
    """
    for policy in policies:
        images = POLICIES[policy](images, uniform)
    return images


def _color(images: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Brightness by up to 0.5, saturation by a factor of up to 2, contrast by one from 0.5 to 1.5."""
    shape = (tf.shape(images)[0], 1, 1, 1)
    colors, alpha = images[..., :3], images[..., 3:]
    colors += uniform(shape, _BRIGHTNESS_SALT) - 0.5
    grey = tf.reduce_mean(colors, axis=3, keepdims=True)
    colors = grey + (colors - grey) * 2.0 * uniform(shape, _SATURATION_SALT)
    mean = tf.reduce_mean(colors, axis=(1, 2, 3), keepdims=True)
    colors = mean + (colors - mean) * (0.5 + uniform(shape, _CONTRAST_SALT))
    return tf.concat([colors, alpha], 3)


def _translation(images: tf.Tensor, uniform: Uniform) -> tf.Tensor:
    """Shifts by up to an eighth of the sides; what comes in is 0, a medium grey."""
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
    """Sets a square of half the sides to 0; its centre is anywhere, so that part of it may lie outside."""
    sides = tf.shape(images)[1:3]
    holes = _share(sides, _CUTOUT)
    starts = _draw(uniform, tf.shape(images)[0], _HOLE_SALT, tf.zeros_like(sides), sides - holes % 2) - holes // 2
    cut = 1.0
    for axis in (0, 1):
        behind = tf.range(sides[axis]) - starts[:, axis, tf.newaxis]  # [B, side]
        cut *= _along(axis, (behind >= 0) & (behind < holes[axis]))
    return images * (1.0 - cut)


POLICIES: dict[str, Callable[[tf.Tensor, Uniform], tf.Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}


def _share(sides: tf.Tensor, ratio: float) -> tf.Tensor:
    return tf.cast(tf.cast(sides, tf.float32) * ratio + 0.5, tf.int32)


def _draw(uniform: Uniform, count: tf.Tensor, salt: int, low: tf.Tensor, high: tf.Tensor) -> tf.Tensor:
    """Whole numbers from `low` to `high`, both `[2]` and included: `[count, 2]`, for height and width."""
    return low + tf.cast(uniform((count, 2), salt) * tf.cast(high - low + 1, keras.config.floatx()), tf.int32)


def _along(axis: int, mask: tf.Tensor) -> tf.Tensor:
    """A mask of rows (0) or columns (1), `[B, side]`, as floats that fit images."""
    mask = mask[:, tf.newaxis, :, tf.newaxis] if axis else mask[:, :, tf.newaxis, tf.newaxis]
    return tf.cast(mask, keras.config.floatx())
