import dataclasses

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data import demo
from ugatit_tf.data.demo import drawing

SPLITS = ("trainA", "trainB", "testA", "testB")


def pictures(split, count, size=32, seed=0):
    """The first pictures of a split, floats in 0..1, [count, size, size, 3]."""
    return np.stack([demo.draw(split, index, size, seed) for index in range(count)]) / 255.0


def faces(monkeypatch, split):
    """Every face of a split, taken at the door of the drawing functions."""
    seen = []
    for name in ("draw_photo", "draw_cartoon"):
        monkeypatch.setattr(demo, name, lambda face, size: seen.append(face))
    for index in range(demo.SPLIT_SIZES[split]):
        demo.draw(split, index, 8)
    return seen


@pytest.mark.parametrize("split", SPLITS)
def test_picture_is_uint8_rgb_of_the_asked_size(split):
    for size in (33, 79):
        picture = demo.draw(split, 0, size)
        assert picture.shape == (size, size, 3) and picture.dtype == np.uint8
        assert picture.std() > 20  # something is drawn


@pytest.mark.parametrize("split", SPLITS)
def test_same_seed_same_picture_other_seed_other_picture(split):
    first = demo.draw(split, 7, 32, seed=3)
    demo.draw(split, 8, 32, seed=3)  # what was drawn before must not matter
    np.testing.assert_array_equal(demo.draw(split, 7, 32, seed=3), first)
    assert np.abs(demo.draw(split, 7, 32, seed=4) - first.astype(float)).mean() > 5
    assert np.abs(demo.draw(split, 6, 32, seed=3) - first.astype(float)).mean() > 5


def test_sizes_are_those_of_the_splits():
    assert demo.SPLIT_SIZES == {"trainA": 400, "trainB": 400, "testA": 100, "testB": 100}


def test_test_splits_pair_the_same_faces(monkeypatch):
    assert faces(monkeypatch, "testA") == faces(monkeypatch, "testB")


def test_no_face_is_in_two_splits(monkeypatch):
    drawn = [face for split in ("trainA", "trainB", "testA") for face in faces(monkeypatch, split)]
    assert len(set(drawn)) == 900


def test_training_domains_share_one_distribution(monkeypatch):
    for name in ("centre_x", "scale", "hair_length", "smile", "light_angle"):
        a, b = (np.array([getattr(face, name) for face in faces(monkeypatch, split)]) for split in ("trainA", "trainB"))
        assert abs(a.mean() - b.mean()) < 0.25 * a.std()
        assert 0.85 < a.std() / b.std() < 1.18


def test_both_drawings_show_the_same_head():
    """Where photo and cartoon differ from their own backdrop, the head and shoulders are: the silhouettes overlap."""
    for index in range(4):
        face = demo.sample_face(np.random.default_rng(index))
        silhouettes = []
        for draw in (drawing.draw_photo, drawing.draw_cartoon):
            bare, full = (draw(dataclasses.replace(face, **moved), 64).astype(float) for moved in ({"centre_x": 9}, {}))
            silhouettes.append(np.abs(full - bare).max(-1) > 24)
        both, either = np.logical_and(*silhouettes).sum(), np.logical_or(*silhouettes).sum()
        assert both > 0.75 * either


def test_backdrop_carries_over():
    """The upper corners show nothing but the backdrop: a photo's average there foretells the cartoon's flat colour."""
    photo, cartoon = (pictures(split, 30)[:, :3, [0, 1, 2, -3, -2, -1]].mean((1, 2)) for split in ("testA", "testB"))
    for channel in range(3):
        assert np.corrcoef(photo[:, channel], cartoon[:, channel])[0, 1] > 0.85


def test_one_colour_map_for_all_faces_does_better_than_copying_and_than_the_mean():
    """The data can be learnt: a single affine map of colours already beats both trivial answers by the margin asked."""
    photos, cartoons = pictures("testA", 40), pictures("testB", 40)
    copying = np.abs(photos - cartoons).mean()
    mean = np.abs(pictures("trainB", 40).mean(0) - cartoons).mean()
    colours = np.concatenate([photos, np.ones_like(photos[..., :1])], -1).reshape(-1, 4)
    weights = np.linalg.lstsq(colours, cartoons.reshape(-1, 3), rcond=None)[0]
    mapped = np.abs(np.clip(colours @ weights, 0, 1) - cartoons.reshape(-1, 3)).mean()
    assert 0.15 < copying < 0.25 and 0.15 < mean < 0.25
    assert mapped < 0.65 * min(copying, mean)


@pytest.mark.parametrize("split", ["testA", "testB"])
@pytest.mark.parametrize("size", [64, 79])
def test_picture_does_not_depend_on_resolution(split, size):
    for index in range(3):
        large = Image.fromarray(demo.draw(split, index, 256)).resize((size, size), Image.Resampling.BOX)
        small = demo.draw(split, index, size).astype(float)
        assert np.abs(np.asarray(large) - small).mean() < 3


def test_unknown_split_names_the_known_ones():
    with pytest.raises(ValueError, match="trainC.*trainA, trainB, testA, testB"):
        demo.draw("trainC", 0, 32)


@pytest.mark.parametrize("index", [-1, 100])
def test_index_outside_the_split_is_refused(index):
    with pytest.raises(IndexError, match=f"testA has pictures 0 to 99, not {index}"):
        demo.draw("testA", index, 32)
