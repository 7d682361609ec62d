import sys

import numpy as np
import pytest

from benchmarks import demo_limits
from ugatit_tf.data import demo


@pytest.fixture
def printed(monkeypatch, capsys):
    """A function: runs the benchmark with a few photographs of three faces, and gives its two numbers."""

    def run(photographs):
        monkeypatch.setattr(demo, "SPLIT_SIZES", {"testA": 3})
        monkeypatch.setattr(sys, "argv", ["demo_limits", "--photographs", str(photographs)])
        demo_limits.main()
        return [float(line.rpartition(" ")[2]) for line in capsys.readouterr().out.splitlines()]

    return run


def test_a_photograph_in_the_same_light_is_the_ground_truth(printed, monkeypatch):
    monkeypatch.setattr(demo_limits, "_UNKNOWN", ())
    assert printed(2) == [0, 0]


def test_photographs_in_other_lights_are_off_and_their_median_less(printed):
    single, median = printed(5)
    assert 0 < median < single


def test_the_distance_is_a_share_of_the_full_range(printed, monkeypatch):
    monkeypatch.setattr(demo_limits, "draw_photo", lambda face, size: np.full((size, size, 3), 51, np.uint8))
    monkeypatch.setattr(demo, "draw", lambda split, index, size: np.full((size, size, 3), 102, np.uint8))
    assert printed(1) == [0.2, 0.2]
