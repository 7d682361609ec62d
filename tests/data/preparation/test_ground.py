import numpy as np
import pytest

from ugatit_tf.data import demo
from ugatit_tf.data.preparation import ground


def drawing(*, left=32, right=96, top=16, bottom=112, size=128):
    """A dark rectangle on light grey with a little noise."""
    noise = np.random.default_rng(0).integers(-8, 9, (size, size, 3))
    picture = np.full((size, size, 3), 230) + noise
    picture[top:bottom, left:right] = (60, 40, 90)
    return picture.astype(np.uint8)


def test_the_ground_and_the_size_of_what_is_on_it():
    share, content = ground.measure(drawing())
    assert share == pytest.approx(1 - 64 * 96 / 128**2, abs=0.02)  # pixels at the edges are mixed
    assert content == pytest.approx(96 / 128, abs=0.04)


def test_a_head_may_reach_the_lower_edge():
    _, content = ground.measure(drawing(bottom=128))
    assert content == pytest.approx(112 / 128, abs=0.04)


def test_an_empty_picture_is_all_ground():
    assert ground.measure(np.full((20, 20, 1), 9, np.uint8)) == (1.0, 0.0)


def test_a_scene_is_no_ground():
    scene = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    share, content = ground.measure(scene)
    assert share < 0.1
    assert content is None
    assert ground.measure(demo.draw("trainA", 1, 64))[0] < 0.6
