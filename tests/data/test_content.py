import numpy as np
import pytest

from ugatit_tf.data import crops
from ugatit_tf.data.content import around_content


def drawing(height, width, top, left, size):
    picture = np.full((height, width, 3), (230, 240, 250), np.uint8)
    picture[top : top + size, left : left + size // 2] = (20, 30, 90)
    return picture


@pytest.mark.parametrize(("shape", "top", "left", "size"), [((100, 120), 10, 30, 60), ((900, 500), 400, 80, 300)])
def test_what_is_drawn_comes_to_the_middle_at_one_size(shape, top, left, size):
    picture = drawing(*shape, top, left, size)
    region = around_content(picture, 0.8)
    assert (region.x, region.y) == pytest.approx((left + size / 4, top + size / 2), abs=4)
    assert region.width == pytest.approx(size / 0.8, rel=0.03)
    square = crops.cut(picture, region, 80)
    rows = np.flatnonzero((square[..., 0] < 120).any(1))
    assert (rows[0], rows[-1]) == pytest.approx((8, 71), abs=1.5)
    assert np.abs(square[0, 0].astype(int) - (230, 240, 250)).max() <= 1  # also where it lies beyond the picture


def test_a_speck_is_no_content():
    picture = drawing(300, 300, 100, 100, 90)
    picture[2, 2] = 0
    assert around_content(picture, 1).x == pytest.approx(122.5, abs=3)
    assert around_content(np.full((40, 30, 4), 200, np.uint8), 0.8) is None
