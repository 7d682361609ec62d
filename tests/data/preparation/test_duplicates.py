import io

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data import demo
from ugatit_tf.data.preparation.duplicates import Index, fingerprint, with_mirrored


def recompressed(picture, quality):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def scaled(picture, factor):
    side = round(len(picture) * factor)
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS))


COPIES = {
    "the same": lambda picture: picture,
    "recompressed": lambda picture: recompressed(picture, 50),
    "badly recompressed": lambda picture: recompressed(picture, 20),
    "halved": lambda picture: scaled(picture, 0.5),
    "doubled": lambda picture: scaled(picture, 2),
    "enlarged and recompressed": lambda picture: recompressed(scaled(picture, 1.3), 40),
    "without a border": lambda picture: picture[1:-1, 1:-1],
    "with transparency": lambda picture: np.concatenate([picture, np.full_like(picture[..., :1], 255)], axis=-1),
    "brighter": lambda picture: np.clip(picture.astype(int) + 25, 0, 255).astype(np.uint8),
}


@pytest.fixture(scope="module", params=["trainA", "trainB"])
def faces(request):
    """Pictures that are all much alike, and yet different."""
    return [demo.draw(request.param, number, 192) for number in range(120)]


@pytest.fixture(scope="module")
def index(faces):
    index = Index(len(faces))
    for number, face in enumerate(faces):
        index.add(number, fingerprint(face))
    return index


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found_among_many_faces(faces, index, change):
    for number, face in list(enumerate(faces))[::4]:
        assert index.find(fingerprint(COPIES[change](face)))[0] == number


def test_a_mirrored_picture_is_another(faces, index):
    assert index.find(fingerprint(faces[0][:, ::-1])) == []


def test_the_mirror_image_has_the_other_fingerprint(faces):
    picture = faces[0][:, :150]
    plain, mirrored = with_mirrored(picture)
    assert plain == fingerprint(picture)
    assert mirrored == fingerprint(np.ascontiguousarray(picture[:, ::-1]))
    assert with_mirrored(np.ascontiguousarray(picture[:, ::-1])) == (mirrored, plain)


def test_plain_pictures_are_told_apart_by_colour():
    index = Index(3)
    for number, colour in enumerate([(0, 0, 0), (200, 30, 30), (30, 30, 200)]):
        plain = np.full((40, 50, 3), colour, np.uint8)
        assert index.find(fingerprint(plain)) == []
        index.add(number, fingerprint(plain))
        assert index.find(fingerprint(plain[:20])) == [number]


def test_grey_pictures_have_fingerprints_of_the_same_kind(faces):
    grey = np.asarray(Image.fromarray(faces[0]).convert("L"))
    index = Index(1)
    index.add(7, fingerprint(grey[..., np.newaxis]))
    assert index.find(fingerprint(np.stack([grey] * 3, axis=-1))) == [7]
    assert len(fingerprint(faces[0])) == 35


def test_the_nearest_are_found_first_and_only_some():
    look = np.random.default_rng(0).integers(0, 256, 35, np.uint8)
    index = Index(12)
    for number in range(11, -1, -1):  # so many bits are different
        near = look.copy()
        near[:number] ^= 1
        index.add(number, near.tobytes())
    assert index.find(look.tobytes()) == list(range(8))
