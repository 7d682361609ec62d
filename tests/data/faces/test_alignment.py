import math

import numpy as np
import pytest

import drawn_faces
from drawn_faces import face_at
from ugatit_tf.data import regions
from ugatit_tf.data.faces import around
from ugatit_tf.data.faces.alignment import EYES_X, EYES_Y


def test_drawn_faces_of_any_place_size_and_tilt_get_their_eyes_to_one_place():
    random = np.random.default_rng(1)
    measured = []
    for _ in range(12):
        distance, angle = random.uniform(12, 60), random.uniform(-40, 40)
        face = face_at(*random.uniform(150, 250, 2), distance, angle)
        square = regions.sample(drawn_faces.draw(400, 400, face), around(face, 0.5), 128)
        (ax, ay), (bx, by), (mx, my) = np.array(drawn_faces.points(square)) / 128
        measured.append((math.hypot(bx - ax, by - ay), (ax + bx) / 2, (ay + by) / 2, by - ay, mx, my))
    expected = (0.2, EYES_X, EYES_Y, 0, EYES_X, EYES_Y + 0.2 * drawn_faces.MOUTH)
    # A pixel is 0.008; the middles of dots are exact to a fifth of it.
    np.testing.assert_allclose(measured, np.broadcast_to(expected, (12, 6)), atol=0.002)


@pytest.mark.parametrize(("margin", "share"), [(0, 0.4), (0.5, 0.2), (1.5, 0.1)])
def test_the_margin_scales_the_square(margin, share):
    region = around(face_at(100, 80, 30), margin)
    assert 30 / region.width == pytest.approx(share)
    assert region.to_square(100, 80) == pytest.approx((EYES_X, EYES_Y))


def test_a_profile_gets_its_scale_from_eyes_and_mouth_and_is_not_turned():
    face = drawn_faces.Face((98, 102), (110, 114), (104, 158), 110, 130, 120)  # its eyes slope by 45 degrees
    region = around(face, 0.5)
    assert region.angle == 0
    assert region.width == pytest.approx(0.9 * 50 * 5)
    assert region.to_square(104, 108) == pytest.approx((EYES_X, EYES_Y))


@pytest.mark.parametrize(("angle", "turn"), [(0, 0), (-35, -35), (59, 59), (75, 0), (-120, 0)])
def test_an_implausible_tilt_is_not_levelled(angle, turn):
    assert around(face_at(0, 0, 30, angle), 0.5).angle == pytest.approx(turn)
