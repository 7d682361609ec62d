import numpy as np
import pytest

from ugatit_tf.data.faces import PersonMask
from ugatit_tf.data.faces.mask import SIDE, box_mean, guided, main_parts, on_ground, shows_person, steadied


def disc(size, radius=0.3, x=0.5, y=0.5):
    row, column = (np.mgrid[:size, :size] + 0.5) / size
    return (np.hypot(column - x, row - y) < radius).astype(np.float32)


def test_the_mask_follows_the_edges_of_the_picture():
    """The network's mask is too large and blurred; the picture shows where the edge is."""
    person = disc(512)
    square = np.repeat((60 + 140 * person)[..., np.newaxis], 3, -1).astype(np.uint8)
    coarse = box_mean(disc(SIDE, 0.31), 4)
    found = PersonMask(lambda inputs: [coarse[np.newaxis, :, :, np.newaxis]])(square)
    assert (found.shape, found.dtype) == ((512, 512), np.float32)
    blurred = np.repeat(np.repeat(coarse, 2, 0), 2, 1)
    assert np.abs(found - person).mean() < 0.65 * np.abs(blurred - person).mean()
    assert found.min() == 0
    assert found.max() == 1


def test_the_network_sees_256_pixels_from_0_to_1():
    seen = []

    def network(inputs):
        seen.append(inputs)
        return [np.zeros((1, SIDE, SIDE, 1), np.float32)]

    PersonMask(network)(np.full((32, 32, 1), 51, np.uint8))
    assert (seen[0].shape, seen[0].dtype) == ((1, SIDE, SIDE, 3), np.float32)
    np.testing.assert_allclose(seen[0], 0.2, rtol=1e-6)


def test_a_flat_picture_leaves_the_mask_as_it_is_but_for_a_blur():
    flat = np.full((SIDE, SIDE), 0.5, np.float32)
    assert guided(disc(SIDE), flat, flat)[128, 128] == 1
    assert guided(disc(SIDE), flat, flat)[5, 5] == 0


def test_small_parts_beside_the_person_go():
    mask = np.maximum(disc(SIDE), disc(SIDE, 0.06, 0.95, 0.95))
    found = main_parts(mask)
    assert found[245, 245] == 0
    np.testing.assert_array_equal(found[40:216, 40:216], mask[40:216, 40:216])
    both = np.maximum(disc(SIDE, 0.2, 0.25), disc(SIDE, 0.15, 0.8))  # two people of about one size
    np.testing.assert_array_equal(main_parts(both), both)
    assert not main_parts(np.zeros((SIDE, SIDE), np.float32)).any()


def test_means_do_not_count_what_is_beyond_the_edge():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_allclose(box_mean(values, 1)[0, 0], values[:2, :2].mean())
    np.testing.assert_allclose(box_mean(values, 1)[1, 2], values[:, 1:].mean())


@pytest.mark.parametrize(("channels", "ground"), [(1, (54,)), (3, (255, 0, 0)), (4, (255, 0, 0, 255))])
def test_a_person_is_laid_on_the_ground(channels, ground):
    square = np.full((2, 2, channels), 100, np.uint8)
    mask = np.array([[0, 1], [0.5, 0]], np.float32)
    found = on_ground(square, mask, "#ff0000")
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found[0, 0], ground, atol=30 if channels == 1 else 0)
    assert (found[0, 1] == 100).all()
    np.testing.assert_allclose(found[1, 0], (np.array(found[0, 0], int) + 100) / 2, atol=0.5)


def test_a_trace_is_no_person():
    assert shows_person(disc(64, 0.2))
    assert not shows_person(disc(64, 0.05))


def test_only_what_is_uncertain_keeps_the_last_mask():
    last = np.full((1, 3), 1, np.float32)
    new = np.array([[0, 0.5, 1]], np.float32)
    found = steadied(new, last)
    np.testing.assert_allclose(found, [[0, 0.5 + 0.5 * 0.7, 1]], atol=0.02)
    assert steadied(new, None) is new
