"""The search around the network, with drawn faces and a network that finds those."""

import dataclasses

import numpy as np
import pytest

import drawn_faces
from drawn_faces import face_at
from ugatit_tf.data.faces import FaceDetector, detection
from ugatit_tf.data.faces.detection import anchors, decoded, merged, suppressed, tiles

DETECTOR = FaceDetector(drawn_faces.network)


def near(found, face, tolerance):
    for name in ("left_eye", "right_eye", "mouth"):
        assert getattr(found, name) == pytest.approx(getattr(face, name), abs=tolerance)
    assert (found.x, found.y, found.size) == pytest.approx((face.x, face.y, face.size), abs=2 * tolerance)


@pytest.mark.parametrize("shape", [(300, 300), (200, 460), (1200, 700)])
@pytest.mark.parametrize("angle", [0, 25])
def test_points_are_found_where_they_are(shape, angle):
    face = face_at(0.55 * shape[1], 0.4 * shape[0], 0.13 * min(shape), angle)
    near(DETECTOR.largest(drawn_faces.draw(*shape, face)), face, 0.004 * min(shape))


def test_small_faces_are_found_by_tiles_and_each_once():
    faces = [face_at(110, 120, 26), face_at(520, 90, 20, -15), face_at(450, 330, 14)]
    found = DETECTOR.all(drawn_faces.draw(420, 640, *faces))
    assert len(found) == 3
    for one, face in zip(found, faces, strict=True):  # the largest first
        near(one, face, 0.6)
    near(DETECTOR.largest(drawn_faces.draw(420, 640, *faces)), faces[0], 0.6)


@pytest.mark.parametrize("shape", [(200, 300, 3), (5, 5, 3), (400, 8, 3), (1, 1, 1), (90, 90, 4)])
def test_where_there_is_no_face_none_is_found(shape):
    picture = np.full(shape, 90, np.uint8)
    assert DETECTOR.largest(picture) is None
    assert DETECTOR.all(picture) == []


def test_a_find_that_its_own_square_does_not_confirm_is_none(monkeypatch):
    calls = []

    def once(inputs):
        calls.append(None)
        numbers, logits = drawn_faces.network(inputs)
        return numbers, np.minimum(logits, 4 if len(calls) == 1 else 0.9)  # 0.98, then 0.71

    picture = drawn_faces.draw(90, 90, face_at(45, 40, 15))
    assert FaceDetector(once).all(picture) == []


def test_anchors_are_the_middles_of_two_grids():
    assert anchors().shape == (896, 2)
    np.testing.assert_array_equal(anchors()[:3], [(1 / 32, 1 / 32), (1 / 32, 1 / 32), (3 / 32, 1 / 32)])
    np.testing.assert_array_equal(anchors()[512], (1 / 16, 1 / 16))
    np.testing.assert_array_equal(anchors()[-1], (15 / 16, 15 / 16))


def test_numbers_are_relative_to_their_cells():
    numbers, logits = np.zeros((896, 16), np.float32), np.full(896, -200, np.float32)
    numbers[512, :6] = (4, -4, 32, 64, 8, 12)
    logits[512] = 200
    scores, places = decoded(numbers, logits)
    assert scores == pytest.approx([1])
    assert places[0, :6] == pytest.approx((1 / 16 + 1 / 32, 1 / 32, 1 / 4, 1 / 2, 1 / 8, 1 / 16 + 3 / 32))


def test_overlapping_boxes_become_their_mean_by_score():
    places = np.zeros((3, 16))
    places[:, :4] = (0.5, 0.5, 0.2, 0.2), (0.52, 0.5, 0.2, 0.2), (0.1, 0.1, 0.1, 0.1)
    found = suppressed(np.array([0.9, 0.6, 0.7]), places)
    assert [score for score, _ in found] == [0.9, 0.7]
    assert found[0][1][0] == pytest.approx((0.9 * 0.5 + 0.6 * 0.52) / 1.5)


def test_parts_of_a_face_are_not_faces():
    face = face_at(100, 100, 30)
    part = dataclasses.replace(face_at(100, 110, 10), score=0.9)
    assert merged([part, face]) == [face]
    other = face_at(300, 100, 30)
    assert merged([face, other]) == [face, other]


def test_tiles_cover_the_picture_and_overlap():
    levels = {level: list(tiles(400, 600, [level])) for level in range(4)}
    assert [len(levels[level]) for level in range(4)] == [1, 6, 35, 0]
    (whole,) = levels[0]
    assert (whole.x, whole.y, whole.width) == (300, 200, 600)
    xs = sorted({tile.x for tile in levels[1]})
    assert (xs[0], xs[-1]) == (150, 450)
    assert max(np.diff(xs)) <= 150
    assert detection._SMALLEST_TILE == 96  # level 3 would have 75
