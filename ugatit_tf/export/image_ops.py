"""The image operations of `data.images` as TensorFlow operations, which become part of an exported graph."""

import tensorflow as tf


def decode(data: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes a JPEG, PNG, BMP or the first frame of a GIF. TensorFlow ignores EXIF and colour profiles.

    JPEG is decoded by the exact cosine transform, as Pillow does: TensorFlow's default is up to 20 levels off.

    Args:
        data: the bytes of the file, a string scalar.
        channels: 1 for grayscale, 3 for RGB, 4 for RGBA.

    Returns:
        uint8 `[H, W, channels]`. Transparent images are laid over white unless `channels` is 4.
    """
    image = tf.cond(
        tf.io.is_jpeg(data),
        lambda: tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_image(data, expand_animations=False),
    )
    return with_channels(tf.ensure_shape(image, (None, None, None)), channels)


def with_channels(image: tf.Tensor, channels: int) -> tf.Tensor:
    """Converts uint8 `[H, W, n]` to uint8 `[H, W, channels]`; n, from 1 to 4, need not be known before the call."""
    count = tf.shape(image)[-1]
    has_alpha = count % 2 == 0
    alpha = tf.cond(has_alpha, lambda: image[..., -1:], lambda: tf.ones_like(image[..., :1]) * 255)
    colours = tf.cond(count <= 2, lambda: tf.repeat(image[..., :1], 3, axis=-1), lambda: image[..., :3])
    colours = tf.ensure_shape(colours, (None, None, 3))
    alpha = tf.ensure_shape(alpha, (None, None, 1))
    if channels == 4:
        return tf.concat([colours, alpha], -1)
    opacity = tf.cast(alpha, tf.float32) / 255.0
    colours = tf.cast(tf.round(tf.cast(colours, tf.float32) * opacity + 255.0 * (1.0 - opacity)), tf.int32)
    if channels == 1:
        # ITU-R 601 luma in Pillow's fixed point.
        luma = tf.reduce_sum(colours * tf.constant([19595, 38470, 7471]), -1, keepdims=True)
        colours = tf.bitwise.right_shift(luma + 0x8000, 16)
    return tf.cast(colours, tf.uint8)


def resize(images: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes images to squares: bilinear, and antialiased if they shrink. Images of that size stay as they are.

    The colours of RGBA are weighted by alpha, so that colours of transparent pixels do not mix into others.

    Args:
        images: uint8 `[B, H, W, C]`; C has to be known when the graph is traced.
        size: the side of the result in pixels.

    Returns:
        uint8 `[B, size, size, C]`; within 1 of `data.images.resize`, which rounds between its two passes.
    """
    shape = tf.shape(images)
    fits = tf.reduce_all(tf.equal(shape[1:3], size))
    scale = _resize_rgba if images.shape[-1] == 4 else _resize_opaque
    resized = tf.cond(fits, lambda: images, lambda: scale(images, size))
    return tf.ensure_shape(resized, (None, size, size, images.shape[-1]))


def to_float(images: tf.Tensor) -> tf.Tensor:
    """Scales uint8 0..255 to float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """Scales float32 in [-1, 1] to uint8 0..255, rounded."""
    return tf.cast(tf.round((images + 1.0) * 127.5), tf.uint8)


def _resize_opaque(images: tf.Tensor, size: int) -> tf.Tensor:
    return tf.cast(_scale(tf.cast(images, tf.float32), size), tf.uint8)


def _resize_rgba(images: tf.Tensor, size: int) -> tf.Tensor:
    colours, alpha = tf.split(tf.cast(images, tf.float32), (3, 1), -1)
    weighted = _scale(_round(colours * alpha / 255.0), size)
    alpha = _scale(alpha, size)
    colours = tf.where(alpha == 0.0, weighted, tf.minimum(tf.floor(255.0 * weighted / tf.maximum(alpha, 1.0)), 255.0))
    return tf.cast(tf.concat([colours, alpha], -1), tf.uint8)


def _scale(images: tf.Tensor, size: int) -> tf.Tensor:
    """Resizes float images as Pillow does: first the width, then the height, with rounding to integers after each."""
    for sides in ((tf.shape(images)[1], size), (size, size)):
        images = _round(tf.image.resize(images, sides, tf.image.ResizeMethod.BILINEAR, antialias=True))
    return images


def _round(values: tf.Tensor) -> tf.Tensor:
    return tf.floor(values + 0.5)  # tf.round rounds halves to the even number, unlike Pillow
