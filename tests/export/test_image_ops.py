import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ugatit_tf.data import images
from ugatit_tf.export import image_ops


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def smooth(height, width, channels):
    return np.stack([np.array(Image.fromarray(noise(4, 4)).resize((width, height))) for _ in range(channels)], -1)


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


@pytest.mark.parametrize("picture", [noise, smooth])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sides", [(50, 70), (20, 33), (200, 97), (7, 5), (32, 64), (300, 300), (1, 1)])
def test_resize_is_within_one_level_of_the_projects(sides, channels, picture):
    image = picture(*sides, channels)
    assert difference(image_ops.resize(image[None], 32).numpy()[0], images.resize(image, 32)).max() <= 1


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_image_of_the_right_size_is_left_as_it_is(channels):
    batch = noise(2, 32, 32, channels)
    np.testing.assert_array_equal(image_ops.resize(batch, 32), batch)


@pytest.mark.parametrize("sides", [(50, 70), (20, 33), (300, 300)])
def test_rgba_is_weighted_by_alpha(sides):
    image = noise(*sides, 4)
    ours, pillows = image_ops.resize(image[None], 32).numpy()[0], images.resize(image, 32)
    assert difference(ours[..., 3], pillows[..., 3]).max() <= 1
    visible = pillows[..., 3] >= 128
    # A level off in colour times alpha is up to two levels of a colour at half its alpha, and one by rounding.
    assert difference(ours, pillows)[visible].max() <= 3
    assert difference(ours, pillows).mean() < 0.05


def test_transparent_colours_do_not_bleed():
    image = np.zeros((2, 2, 4), np.uint8)
    image[:, 0] = (200, 100, 50, 255)
    image[:, 1] = (0, 255, 0, 0)
    # Half of 255 is 128 when rounded; colours are 255 * (200 / 2) / 128 and so on, cut off as Pillow does.
    np.testing.assert_array_equal(image_ops.resize(image[None], 1)[0, 0, 0], (199, 99, 49, 128))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
def test_png_files_are_decoded_as_the_project_does(mode, channels):
    file = io.BytesIO()
    Image.fromarray(noise(9, 11, 4)).convert(mode).save(file, "PNG")
    expected = images.decode(io.BytesIO(file.getvalue()), channels)
    np.testing.assert_array_equal(image_ops.decode(tf.constant(file.getvalue()), channels), expected)


@pytest.mark.parametrize("kind", ["BMP", "GIF"])
def test_other_lossless_files(kind):
    file = io.BytesIO()
    Image.fromarray(noise(9, 11, 3)).quantize(16).convert("P" if kind == "GIF" else "RGB").save(file, kind)
    expected = images.decode(io.BytesIO(file.getvalue()), 3)
    np.testing.assert_array_equal(image_ops.decode(tf.constant(file.getvalue()), 3), expected)


def test_pixels_to_floats_and_back_are_the_projects():
    levels = np.arange(256, dtype=np.uint8)
    np.testing.assert_allclose(image_ops.to_float(levels), images.to_float(levels), atol=1e-7)
    np.testing.assert_array_equal(image_ops.to_uint8(image_ops.to_float(levels)), levels)
    np.testing.assert_array_equal(image_ops.to_uint8(tf.constant([-1.0, -0.999, 0.01, 1.0])), [0, 0, 129, 255])


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("quality", [30, 90])
def test_jpeg_files_are_decoded_as_the_project_does(mode, quality):
    file = io.BytesIO()
    Image.fromarray(noise(64, 48, 3)).convert(mode).save(file, "JPEG", quality=quality, subsampling=0)
    decoded = image_ops.decode(tf.constant(file.getvalue()), 3).numpy()
    # libjpeg and libjpeg-turbo may round a cosine transform's result differently; TensorFlow's fast one is 20 off.
    assert difference(decoded, images.decode(io.BytesIO(file.getvalue()))).max() <= 1
