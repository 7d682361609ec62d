import math

import numpy as np
import pytest

from ugatit_tf.inference.smoothing import Smoothing

SIZE = 64


def flat(level):
    return np.full((SIZE, SIZE, 3), level, np.uint8)


def test_still_inputs_average_results_as_the_docstring_says():
    smoothing = Smoothing(0.1)
    assert (smoothing(flat(50), flat(100), 0.0) == 100).all()
    weight = math.exp(-0.04 / 0.1)  # 0.670
    second = 200 + weight * (100 - 200)
    assert (smoothing(flat(50), flat(200), 0.04) == round(second)).all()
    weight = math.exp(-0.2 / 0.1)  # frames may be unevenly far apart
    assert (smoothing(flat(50), flat(0), 0.2) == round(weight * second)).all()


def test_a_change_of_the_input_lessens_the_weight():
    smoothing = Smoothing(0.1)
    smoothing(flat(50), flat(100), 0.0)
    weight = math.exp(-0.04 / 0.1) * math.exp(-((6 / 12) ** 2))
    assert (smoothing(flat(56), flat(200), 0.04) == round(200 - 100 * weight)).all()
    # The input's average is 56 - 6 weight = 52.9, as pixels 53: 8 away from 61.
    before, weight = 200 - 100 * weight, math.exp(-0.04 / 0.1) * math.exp(-((8 / 12) ** 2))
    assert (smoothing(flat(61), flat(0), 0.04) == round(weight * before)).all()


def test_a_cut_and_what_moves_stay_sharp():
    smoothing = Smoothing(0.1)
    smoothing(flat(50), flat(100), 0.0)
    assert (smoothing(flat(150), flat(200), 0.04) == 200).all()
    source, result = flat(150), flat(100)
    source[:, :32] = 20  # the left half alone changes
    smoothed = smoothing(source, result, 0.04)
    assert (smoothed[:, :28] == 100).all()
    assert (smoothed[:, 36:] == round(100 + 100 * math.exp(-0.4))).all()


def test_flicker_of_the_result_is_less():
    rng = np.random.default_rng(0)
    smoothing = Smoothing(0.1)
    found = []
    for _ in range(60):
        noise = rng.integers(-20, 21)
        found.append(
            int(smoothing(flat(90) + rng.integers(0, 5, (SIZE, SIZE, 1), np.uint8), flat(128 + noise), 1 / 30)[0, 0, 0])
        )
    assert np.std(found[10:]) < 7  # of 12: sqrt(a / (2 - a)) with a = 1 - exp(-1/3)


@pytest.mark.parametrize("channels", [1, 4])
def test_channels(channels):
    smoothing = Smoothing(0.1)
    for level in (100, 200):
        result = smoothing(np.full((8, 8, channels), 50, np.uint8), np.full((8, 8, channels), level, np.uint8), 0.04)
    assert result.shape == (8, 8, channels)
    assert (result == round(200 - 100 * math.exp(-0.4))).all()
