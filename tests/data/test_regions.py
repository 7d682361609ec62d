import math

import numpy as np
import pytest

from ugatit_tf.data import regions
from ugatit_tf.data.regions import REFLECTION, Region, invented, sample


def waves(height, width, channels=3):
    row, column = np.mgrid[:height, :width] + 0.5
    layers = [127 + 100 * np.sin(row / (20 + 5 * c)) * np.cos(column / (16 + 3 * c)) for c in range(channels)]
    return np.stack(layers, axis=-1).round().astype(np.uint8)


def exact(region, size, channels=3):
    """The values of `waves` at the middles of a square's pixels."""
    middles = (np.arange(size) + 0.5) / size
    x, y = region.to_picture(middles[np.newaxis], middles[:, np.newaxis])
    return np.stack([127 + 100 * np.sin(y / (20 + 5 * c)) * np.cos(x / (16 + 3 * c)) for c in range(channels)], -1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("angle", [0, -20, 90])
@pytest.mark.parametrize(("side", "size"), [(61.3, 61), (61.3, 160), (150.7, 64), (190, 33)])
def test_pixels_lie_where_the_region_says(angle, side, size, channels):
    region = Region(151.4, 148.9, side, side, angle, is_exact=True)
    found = sample(waves(300, 300, channels), region, size)
    assert found.shape == (size, size, channels)
    # Means over several pixels of curved waves, and rounding: half a pixel's shift would be 5 levels.
    assert np.abs(found - exact(region, size, channels)).mean() < 1.5


def test_shrinking_averages_all_pixels():
    row, column = np.mgrid[:512, :512]
    chess = np.repeat(((row + column) % 2 * 255).astype(np.uint8)[..., np.newaxis], 3, -1)
    for side in (400.0, 333.3):
        found = sample(chess, Region(256, 256, side, side, 7, is_exact=True), 64).astype(int)
        assert np.abs(found - 127).max() < 40  # without averaging: 0 and 255


def test_beyond_the_picture_is_a_colour():
    square = sample(np.zeros((40, 40, 3), np.uint8), Region(0, 20, 40, 40, beyond="#102030", is_exact=True), 40)
    assert (square[:, :19] == (16, 32, 48)).all()
    assert (square[:, 21:] == 0).all()


def test_beyond_the_picture_is_its_reflection():
    picture = waves(80, 80)
    region = Region(70, 40, 60, 60, beyond=REFLECTION, is_exact=True)  # the right third is invented
    square = sample(picture, region, 60).astype(int)
    np.testing.assert_allclose(square[:, :40], picture[10:70, 40:80], atol=1)  # the picture itself is not blurred
    mirrored = picture[10:70, 79:59:-1].astype(int)
    assert np.abs(square[:, 40:] - mirrored).mean() < 12
    far = sample(np.full((8, 8, 3), 77, np.uint8), Region(4, 4, 90, 90, 30, beyond=REFLECTION, is_exact=True), 32)
    assert np.abs(far.astype(int) - 77).max() <= 1  # reflected again and again


def test_the_reflection_is_blurred():
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    square = sample(noise, Region(128, 64, 128, 128, beyond=REFLECTION, is_exact=True), 128).astype(float)
    assert square[:, :60].std() > 35
    assert square[:, 72:].std() < 20


@pytest.mark.parametrize(
    ("region", "share"),
    [
        (Region(50, 50, 40, 40), 0),
        (Region(0, 50, 40, 40), 0.5),
        (Region(0, 0, 40, 40, 45), 0.75),
        (Region(50, 50, 200, 200, 0), 0.75),
        (Region(50, 0, 40, 40, 30), 0.5),
        (Region(500, 50, 40, 40), 1),
    ],
)
def test_how_much_lies_beyond_the_picture(region, share):
    assert invented(region, 100, 100) == pytest.approx(share)


def test_places_are_mapped_there_and_back():
    region = Region(10, 20, 30, 30, 25)
    assert region.to_picture(0.5, 0.5) == pytest.approx((10, 20))
    assert region.to_square(*region.to_picture(0.2, 0.9)) == pytest.approx((0.2, 0.9))
    x, y = region.to_picture(1, 0.5)  # clockwise: what is right in the square is lower in the picture
    assert (x, y) == pytest.approx((10 + 15 * math.cos(math.radians(25)), 20 + 15 * math.sin(math.radians(25))))


def test_colours():
    assert regions.colour_of("white", 3) == (255, 255, 255)
    assert regions.colour_of("#ff8000", 3) == (255, 128, 0)
    assert regions.colour_of("#ff8000", 4) == (255, 128, 0, 255)
    assert regions.colour_of("#808080", 1) == (128,)


def test_memory_stays_near_the_squares(monkeypatch):
    """A face in a corner of a large picture does not copy the picture."""
    sizes, to_picture = [], regions.images.to_picture
    monkeypatch.setattr(regions.images, "to_picture", lambda pixels: sizes.append(pixels.size) or to_picture(pixels))
    sample(np.zeros((2000, 3000, 3), np.uint8), Region(100, 100, 150, 150, 10, beyond=REFLECTION, is_exact=True), 128)
    assert max(sizes) < 300 * 300 * 3
