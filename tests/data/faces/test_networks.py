"""The two networks themselves, where they are in the cache folder, on photographs that lie beside the repository."""

from pathlib import Path

import numpy as np
import pytest

from ugatit_tf.config import Config
from ugatit_tf.data import demo, faces, images, regions
from ugatit_tf.data.crops import Cropper
from ugatit_tf.data.faces.mask import shows_person
from ugatit_tf.system import assets

PHOTOS = sorted((Path(__file__).parents[3] / ".." / "shared" / "real" / "photos").glob("*"))
cached = pytest.mark.skipif(not all(map(assets.is_cached, assets.ASSETS)), reason="takes networks that npm fetches")
with_photos = pytest.mark.skipif(not PHOTOS, reason="takes photographs of people, which are not part of the project")


@cached
def test_a_drawn_photograph_shows_a_face_and_a_person_and_a_plain_one_neither():
    picture = demo.draw("trainA", 0, 144)
    face = faces.detector().largest(picture)
    assert 40 < face.size < 110
    assert face.left_eye[0] < face.mouth[0] < face.right_eye[0]
    assert face.mouth[1] > face.eyes[1]
    assert shows_person(faces.person_mask()(picture))
    plain = np.full((144, 144, 3), 120, np.uint8)
    assert faces.detector().largest(plain) is None
    assert not shows_person(faces.person_mask()(plain))


@cached
@with_photos
@pytest.mark.slow
def test_the_eyes_of_photographs_come_to_one_place():
    cropper = Cropper.of(Config(crop="face", no_face="skip"), "A", "center")
    measured = []
    for path in PHOTOS:
        picture = images.decode(path)
        face = cropper.detector.largest(picture)
        if face:
            again = cropper.detector.largest(cropper.square(picture, cropper.around(face), 256))
            apart = np.subtract(again.right_eye, again.left_eye)
            measured.append((np.hypot(*apart) / 256, again.eyes[0] / 256, again.eyes[1] / 256))
    assert len(measured) >= 59  # one of 60 shows no person
    (distance, x, y), (spread, spread_x, spread_y) = np.mean(measured, 0), np.std(measured, 0)
    assert (distance, x, y) == pytest.approx((0.2, 0.5, 0.47), abs=0.005)
    assert spread < 0.03 * distance  # measured: 1.25 %
    assert max(spread_x, spread_y) < 0.015  # measured: 0.35 % and 0.23 %


@cached
@with_photos
@pytest.mark.slow
def test_every_face_of_groups_is_found():
    """The numbers of faces that MTCNN finds as well, but for one that the picture's edge cuts in half."""
    found = {path.stem: len(faces.detector().all(images.decode(path))) for path in PHOTOS}
    expected = {"007": 7, "036": 6, "037": 7, "040": 3, "047": 3, "050": 24, "052": 7, "059": 4, "045": 0}
    assert {name: found[name] for name in expected} == expected
    assert sum(found.values()) == 115


@cached
@with_photos
def test_a_person_stands_on_white():
    picture = images.decode(PHOTOS[0])
    cropper = Cropper.of(Config(crop="face", background="white"), "A", "center")
    region, face = cropper.find(picture)
    square = cropper.square(picture, region, 128)
    plain = regions.sample(picture, region, 128)
    assert (square[:8, :8] == 255).all()
    x, y = (round(128 * place) for place in region.to_square(*face.mouth))
    mouth = slice(y - 5, y + 5), slice(x - 5, x + 5)
    # The square with a background has more pixels at first, and is made smaller.
    assert np.abs(square[mouth].astype(int) - plain[mouth]).mean() < 6
