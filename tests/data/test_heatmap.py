import numpy as np
import pytest

from ugatit_tf.data.heatmap import overlay


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colours_run_from_blue_over_green_to_red(channels):
    image = np.full((6, 6, channels), 100, np.uint8)
    low_to_high = np.repeat(np.linspace(-3.0, 5.0, 6)[None], 6, axis=0)
    result = overlay(image, low_to_high)
    assert result.shape == (6, 6, 3) and result.dtype == np.uint8
    # Half the image, 50, plus half of the colour: the ends are dark blue and dark red at half strength.
    np.testing.assert_array_equal(result[0, 0], (50, 50, 50 + 64))
    np.testing.assert_array_equal(result[0, -1], (50 + 64, 50, 50))
    assert result[0, 2:4, 1].min() > 150


def test_is_stretched_to_the_image_and_to_its_own_range():
    image = np.zeros((8, 8, 3), np.uint8)
    heatmap = np.array([[0.0, 1.0], [1.0, 0.0]])
    # A level apart where the other range is rounded across a half.
    np.testing.assert_allclose(overlay(image, heatmap), overlay(image, 7 * heatmap - 3), rtol=0, atol=1)
    assert overlay(image, heatmap)[0, -1].argmax() == overlay(image, heatmap)[-1, 0].argmax() == 0


def test_a_flat_heatmap_is_all_low():
    result = overlay(np.zeros((4, 4, 3), np.uint8), np.full((2, 2), 3.0))
    np.testing.assert_array_equal(result, np.broadcast_to((0, 0, 64), (4, 4, 3)))
