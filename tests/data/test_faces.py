"""On NASA's portrait of the astronaut Eileen Collins, which is in the public domain."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data import crops, faces, images
from ugatit_tf.errors import UsageError

PORTRAIT = Image.fromarray(images.decode(Path(__file__).parent / "astronaut.jpg"))
EYES = ((135, 100), (175, 102))


def turned(degrees):
    """Turned counter-clockwise, the corners grey."""
    return np.asarray(PORTRAIT.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)))


def test_a_face_is_found_where_it_is():
    face = faces.detector().largest(np.asarray(PORTRAIT))
    middle = np.mean(EYES, axis=0)
    assert face.x == pytest.approx(middle[0], abs=8)
    assert 0 < face.y - middle[1] < 35  # the eyes are above the middle
    assert face.size == pytest.approx(110, abs=15)
    assert abs(face.angle) < 6


@pytest.mark.parametrize("degrees", [-25, 15, 30])
def test_a_face_held_askew_becomes_level(degrees):
    detector = faces.detector()
    picture = turned(degrees)
    face = detector.largest(picture)
    assert face.angle == pytest.approx(-degrees, abs=7)
    region = crops.around(face, 0.3, *picture.shape[:2])
    again = detector.largest(crops.cut(picture, region, 256))
    assert abs(again.angle) < 5
    assert again.x == pytest.approx(128, abs=20)
    assert again.y == pytest.approx(128, abs=20)


def test_the_size_and_the_mode_of_the_picture_do_not_matter():
    detector = faces.detector()
    large = np.asarray(PORTRAIT.resize((1280, 1280), Image.Resampling.LANCZOS))
    small, grey = np.asarray(PORTRAIT), np.asarray(PORTRAIT.convert("L"))[..., np.newaxis]
    expected = detector.largest(small)
    for picture, scale in ((large, 4), (grey, 1), (np.asarray(PORTRAIT.convert("RGBA")), 1)):
        face = detector.largest(picture)
        found = np.array([face.x, face.y, face.size]) / scale
        np.testing.assert_allclose(found, [expected.x, expected.y, expected.size], atol=8)


def test_the_largest_of_two_faces_is_taken():
    picture = np.full((400, 500, 3), 128, np.uint8)
    picture[:320, :320] = PORTRAIT
    picture[240:400, 340:500] = PORTRAIT.resize((160, 160))
    face = faces.detector().largest(picture)
    assert (face.x, face.y) == pytest.approx((155, 115), abs=15)


@pytest.mark.parametrize("shape", [(200, 300, 3), (5, 5, 3), (400, 8, 3), (1, 1, 1)])
def test_where_there_is_no_face_none_is_found(shape):
    assert faces.detector().largest(np.full(shape, 90, np.uint8)) is None


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    faces.detector.cache_clear()
    with pytest.raises(UsageError, match=r"^--crop face needs .*pip install -r requirements-faces\.txt$"):
        faces.detector()


@pytest.mark.parametrize(
    ("eyes", "angle"),
    [
        (((100, 100), (180, 100)), 0),
        (((100, 100), (160, 160)), 45),
        (((100, 100), (108, 116)), 0),  # 18 pixels apart in a face of 200: a profile, and no tilt of 63 degrees
        (((100, 130), (130, 100)), -45),
    ],
)
@pytest.mark.parametrize("scale", [1, 4])
def test_the_eyes_show_a_tilt_unless_they_almost_cover_each_other(eyes, angle, scale):
    found = {"box": (40, 40, 160, 200), "keypoints": dict(zip(("left_eye", "right_eye"), eyes, strict=True))}
    face = faces._face(found, scale)
    assert (face.angle, face.size) == (pytest.approx(angle), 200 * scale)
