import dataclasses
import hashlib

import numpy as np
import pytest
from PIL import Image

from drawn_faces import Detector, face_at
from ugatit_tf.config import Config
from ugatit_tf.data import crops, faces, images
from ugatit_tf.data.preparation import duplicates
from ugatit_tf.data.preparation.survey import INVENTED, NO_FACE, NO_PERSON, TOO_SMALL, UNREADABLE, Plan, Surveyor
from ugatit_tf.errors import RunError

SMALL_FACE = face_at(20, 9.4, 4)  # its square of 20 pixels is the picture's middle

PLAN = Plan({}, size=16, min_size=8, test_share=0.0, test_max=1, image_format="png")


@pytest.fixture
def picture(tmp_path):
    """A file 40 x 20 pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    return tmp_path / "x.png"


@pytest.fixture
def survey(tmp_path, picture):
    """Looks at the file with a changed configuration; returns what was found out, and the surveyor's folder."""

    def look(*, domain="A", measure_faces=False, path=picture, **changes):
        folder = tmp_path / "made"
        folder.mkdir(exist_ok=True)
        own = {name: value for name, value in changes.items() if hasattr(PLAN, name)}
        config = Config(**{name: value for name, value in changes.items() if name not in own})
        plan = dataclasses.replace(PLAN, **own)
        surveyor = Surveyor(config, plan, domain, folder, measure_faces=measure_faces)
        return surveyor(str(path)), folder

    return look


@pytest.fixture
def face(monkeypatch):
    """Has the detector find what is put into a list."""
    found = [SMALL_FACE]
    monkeypatch.setattr(faces, "detector", lambda _: Detector(lambda picture: list(filter(None, found))))
    return found


def test_a_picture_is_measured_and_its_square_put_aside(survey, picture):
    found, folder = survey()
    pixels = images.decode(picture)
    square = crops.cut(pixels, crops.Region(20, 10, 20, 20), 16)
    np.testing.assert_array_equal(images.decode(folder / f"{found.key}.png"), square)
    assert (found.problem, found.width, found.height, found.side, found.face) == ("", 40, 20, 20, None)
    assert found.digest == hashlib.sha256(picture.read_bytes()).hexdigest()
    assert found.colour == pytest.approx(square.mean((0, 1)), abs=0.01)


def test_the_key_is_of_the_content_and_of_the_recipe(survey, tmp_path, picture):
    key = survey()[0].key
    (tmp_path / "copy.png").write_bytes(picture.read_bytes())
    assert survey(path=tmp_path / "copy.png")[0].key == key
    assert survey(seed=3, test_share=0.5, light=True)[0].key == key  # do not change the square
    Image.open(picture).rotate(180).save(tmp_path / "other.png")
    others = [
        survey(**changes)[0].key
        for changes in (
            {"path": tmp_path / "other.png"},
            {"domain": "B"},
            {"size": 17},
            {"crop": "none"},
            {"crop_A": "squeeze"},
            {"img_ch": 1},
            {"image_format": "jpeg"},
        )
    ]
    assert len({key, *others}) == 8


def test_a_jpeg_may_be_asked_for(survey):
    found, folder = survey(image_format="jpeg")
    with Image.open(folder / f"{found.key}.jpg") as image:
        assert (image.format, image.size) == ("JPEG", (16, 16))


def test_why_a_picture_cannot_be_used(survey, tmp_path, face):
    (tmp_path / "text.png").write_text("no picture")
    found, folder = survey(path=tmp_path / "text.png")
    assert (found.problem, found.detail) == (UNREADABLE, "not a JPEG, PNG, BMP, GIF, WebP, TIFF or AVIF image")
    assert survey(path=tmp_path / "none.png")[0].detail == "No such file or directory"
    found, _ = survey(min_size=21)
    assert (found.problem, found.detail, found.width) == (TOO_SMALL, "40 x 20 pixels", 40)
    face[0] = None
    assert survey(crop="face")[0].problem == NO_FACE
    face[0] = SMALL_FACE
    found, _ = survey(crop="face", min_size=16, face_margin=0.25)
    assert (found.problem, found.detail) == (TOO_SMALL, "15 pixels around the face")
    found, _ = survey(crop="face", face_margin=1)
    assert (found.problem, found.detail) == (INVENTED, "33% of the square would lie beyond the picture")
    assert list(folder.iterdir()) == []


def test_a_face_is_put_in_the_middle_and_measured(survey, face):
    found, _ = survey(crop="face", face_margin=0.5)
    assert found.side == 20
    assert found.face == pytest.approx((0.5, 0.47 + 0.5 * 0.2, 0.48), abs=1e-4)
    face[0] = None
    assert survey(crop="face", no_face="center")[0].face is None


def test_faces_are_measured_in_the_other_domain_too(survey, face):
    face[0] = dataclasses.replace(SMALL_FACE, x=12, y=4, size=8)  # in the square of 16
    assert survey(measure_faces=True)[0].face == (0.75, 0.25, 0.5)
    assert survey(domain="B", crop_A="face")[0].face is None


def test_a_background_is_part_of_the_square_and_of_its_key(survey, monkeypatch):
    person = [np.ones((256, 256), np.float32)]
    monkeypatch.setattr(faces, "person_mask", lambda _: lambda square: person[0])
    kept, white = survey()[0], survey(background="white")[0]
    assert (white.problem, white.colour) == ("", pytest.approx(kept.colour, abs=1))
    assert survey(background_A="keep", background="white")[0].key == kept.key != white.key
    person[0] = 0 * person[0]
    assert survey(background="white", crop="none")[0].problem == NO_PERSON


def test_a_full_disk_is_no_fault_of_the_picture(survey, full_disk):
    with full_disk(after=10), pytest.raises(RunError, match="File too large"):
        survey()


def test_picture_and_square_are_known_again(survey, picture):
    found, folder = survey()
    files = picture, folder / f"{found.key}.png"
    assert found.fingerprints == tuple(duplicates.fingerprint(images.decode(file)).hex() for file in files)
    flipped = (np.ascontiguousarray(images.decode(file)[:, ::-1]) for file in files)
    assert found.mirrored == tuple(duplicates.fingerprint(each).hex() for each in flipped)
    assert len(survey(crop="squeeze", size=32)[0].fingerprints) == 1  # the square is all of the picture
