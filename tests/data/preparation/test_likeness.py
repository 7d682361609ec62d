"""Faces drawn from one template, in other colours, against copies of one drawing."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data.demo import face_of
from ugatit_tf.data.demo.drawing import draw_cartoon, draw_photo
from ugatit_tf.data.preparation.likeness import Likeness, compare, look

COLOURS = {
    "hair": ((0.2, 0.15, 0.1), (0.95, 0.8, 0.4), (0.7, 0.25, 0.2)),
    "skin": ((1.0, 0.87, 0.75), (0.85, 0.6, 0.45), (0.5, 0.3, 0.2)),
    "clothes": ((0.9, 0.2, 0.2), (0.2, 0.5, 0.9), (0.3, 0.7, 0.3)),
}


def recompressed(picture, quality=60):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def lighter(picture, levels):
    return np.clip(picture.astype(int) + levels, 0, 255).astype(np.uint8)


COPIES = {
    "recompressed": recompressed,
    "badly recompressed": lambda picture: recompressed(picture, 20),
    "halved": lambda picture: np.asarray(Image.fromarray(picture).resize((80, 80), Image.Resampling.LANCZOS)),
    "enlarged": lambda picture: recompressed(np.asarray(Image.fromarray(picture).resize((250, 250)))),
    "lighter": lambda picture: lighter(picture, 25),
    "darker": lambda picture: recompressed(lighter(picture, -25)),
    "with more contrast": lambda picture: np.uint8(np.clip(1.1 * picture, 0, 255)),
    "moved": lambda picture: np.roll(picture, 3, axis=1),
}


@pytest.fixture(scope="module", params=[draw_cartoon, draw_photo])
def draw(request):
    return request.param


@pytest.mark.parametrize("part", COLOURS)
def test_other_colours_make_another_drawing(draw, part):
    for number in range(2):
        face = face_of("trainB", number)
        looks = [look(draw(dataclasses.replace(face, **{part: colour}), 160)) for colour in COLOURS[part]]
        for first, second in ((0, 1), (1, 2), (0, 2)):
            assert compare(looks[first], looks[second]) is not Likeness.SAME


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_the_same(draw, change):
    for number in range(2):
        picture = draw(face_of("trainB", number), 160)
        assert compare(look(picture), look(COPIES[change](picture))) is Likeness.SAME


def test_different_faces_are_different(draw):
    looks = [look(draw(face_of("trainB", number), 160)) for number in range(6)]
    assert all(compare(looks[0], other) is Likeness.DIFFERENT for other in looks[1:])


def test_a_small_change_is_not_sure():
    picture = draw_cartoon(face_of("trainB", 0), 160)
    changed = picture.copy()
    changed[60:76, 70:90] = lighter(changed[60:76, 70:90], 40)
    assert compare(look(picture), look(changed)) is Likeness.ALIKE


def test_differences_count_more_in_pale_pictures():
    paper = np.full((64, 64, 3), 240, np.uint8)
    drawn, other = paper.copy(), paper.copy()
    drawn[20:40, 20:24] = other[20:40, 40:44] = 225
    assert compare(drawn, drawn) is Likeness.SAME
    assert compare(drawn, other) is not Likeness.SAME
    assert compare(paper, np.full_like(paper, 190)) is not Likeness.SAME
