import dataclasses

import numpy as np
import pytest

from ugatit_tf.data.regions import REFLECTION, Region
from ugatit_tf.inference.following import FacePath, paths


def square(x, y, side, angle=0.0):
    return Region(x, y, side, side, angle, beyond=REFLECTION, is_exact=True)


STILL = square(100, 50, 40, 10)


def same(one, other):
    """Compares regions, their numbers but for rounding."""
    numbers = [(each.x, each.y, each.width, each.height, each.angle) for each in (one, other)]
    return numbers[0] == pytest.approx(numbers[1]) and (one.beyond, one.is_exact) == (other.beyond, other.is_exact)


def through(faces, rate=10):
    return FacePath.through((number / rate, face) for number, face in enumerate(faces))


def test_no_face_is_no_path():
    assert through([None, None]) is None


def test_one_face_is_everywhere():
    path = through([None, STILL, None])
    for time in (0.0, 0.1, 5.0):
        assert same(path.at(time), STILL)


def test_an_even_movement_is_kept_without_lag():
    path = through([square(10 * number, 50, 40 + number) for number in range(30)])
    for time in (1.0, 1.05, 1.5):
        face = path.at(time)
        assert (face.x, face.y, face.width) == pytest.approx((100 * time, 50, 40 + 10 * time))


def test_gaps_are_bridged_evenly_and_ends_held():
    path = through([None] * 5 + [STILL] * 5 + [None] * 9 + [dataclasses.replace(STILL, x=300)] * 5 + [None] * 5)
    # A weighted mean of equal values, which need not be their value in the last bit: weights are rounded.
    for time in (0.0, 0.5):
        assert same(path.at(time), STILL)
    assert path.at(1.4).x == pytest.approx(200)
    assert path.at(1.15).x == pytest.approx(150)
    assert path.at(9.0).x == pytest.approx(300)


def test_what_is_near_a_face():
    path = through([None] * 10 + [STILL] + [None] * 10)
    assert [path.is_near(time) for time in (0.4, 0.51, 1.0, 1.49, 1.6)] == [False, True, True, True, False]


def test_another_face_for_a_frame_or_two_is_passed_over():
    faces = [STILL] * 20
    faces[7] = faces[8] = square(500, 500, 300, -20)
    path = through(faces)
    for number in range(20):
        assert same(path.at(number / 10), STILL)


def test_frames_count_by_a_gaussian_of_015_seconds():
    # Medians pass a step as it is; 0.45 s around it, the mean is a share of it.
    path = through([STILL] * 20 + [dataclasses.replace(STILL, x=200)] * 20)
    distances = np.arange(-4, 5) / 10
    weights = np.exp(-((distances / 0.15) ** 2) / 2)
    assert path.at(2.0).x == pytest.approx(100 + 100 * weights[distances >= 0].sum() / weights.sum())
    assert path.at(1.5).x == pytest.approx(100)
    assert path.at(2.4).x == pytest.approx(200)


def test_trembling_is_less():
    rng = np.random.default_rng(0)
    path = through([square(100 + rng.normal(0, 4), 50, 40) for _ in range(90)], rate=30)
    assert np.std([path.at(number / 30).x for number in range(90)]) < 2


def test_each_face_keeps_its_own_path():
    """Two faces pass each other at a distance, a third comes later, and a false find lasts two frames."""
    frames = []
    for number in range(20):
        found = [square(100 + 5 * number, 50, 60), square(300 - 5 * number, 200, 40)]
        found += [square(500, 100, 50)] * (number >= 10) + [square(700, 400, 30)] * (number in (4, 5))
        frames.append((number / 10, sorted(found, key=lambda region: region.x)))  # the order does not matter
    found = sorted(paths(frames), key=lambda path: path.at(1.0).y)
    assert len(found) == 3
    assert (found[0].at(1.0).x, found[0].at(1.0).width) == pytest.approx((150, 60))
    assert (found[2].at(1.0).x, found[2].at(1.0).width) == pytest.approx((250, 40))
    assert [found[1].is_near(time) for time in (0.4, 1.0)] == [False, True]


def test_two_faces_side_by_side_do_not_share_a_path():
    two = [square(100, 50, 60), square(120, 50, 58)]
    frames = [(number / 10, two[: 1 + (number > 2)]) for number in range(9)]  # the second comes later
    assert sorted(path.at(0.5).x for path in paths(frames)) == pytest.approx([100, 120])


def test_a_face_that_was_away_for_long_begins_a_new_path():
    frames = [(number / 10, [STILL] if number not in range(5, 12) else []) for number in range(20)]
    assert len(paths(frames)) == 2
    assert len(paths([(0.0, [STILL])])) == 1  # a video of one frame
    assert paths([]) == []
