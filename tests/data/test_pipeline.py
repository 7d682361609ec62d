import itertools

import numpy as np
import pytest

from ugatit_tf.data import images, pipeline
from ugatit_tf.data.cache import ImageCache
from ugatit_tf.data.sources import ImageSet
from ugatit_tf.errors import RunError

SIDE = 12


def make_cache(count, seed=0, unreadable=()):
    """A cache of random pictures, and the pictures."""
    pictures = np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)

    def read(index, side):
        if index in unreadable:
            raise images.UnreadableImageError(f"{index}.png: truncated")
        return pictures[index]

    return ImageCache(ImageSet("somewhere", tuple(map(str, range(count))), read), SIDE, 3, None), pictures


def draw(caches, count, **options):
    """Images of A and of B from `count` batches, float `[count * batch_size, S, S, C]`."""
    options = {"img_size": SIDE, "batch_size": 1, "augment": False, "seed": 0, "first_step": 0} | options
    pairs = itertools.islice(pipeline.batches(caches, **options), count)
    return [np.concatenate(domain) for domain in zip(*pairs, strict=True)]


def order(drawn, pictures):
    """Which picture each drawn image is."""
    return [int(np.flatnonzero((image == images.to_float(pictures)).all(axis=(1, 2, 3)))[0]) for image in drawn]


@pytest.mark.parametrize(("count_a", "count_b"), [(3, 5), (1, 4)])
def test_every_tour_of_a_domain_shows_each_image_once_whatever_the_others_size(count_a, count_b):
    (cache_a, pictures_a), (cache_b, pictures_b) = make_cache(count_a, seed=1), make_cache(count_b, seed=2)
    drawn = draw((cache_a, cache_b), 20)
    for images_drawn, pictures in zip(drawn, (pictures_a, pictures_b), strict=True):
        sequence, count = order(images_drawn, pictures), len(pictures)
        epochs = [sequence[i : i + count] for i in range(0, 20 - count + 1, count)]
        assert all(sorted(epoch) == list(range(count)) for epoch in epochs)
        assert count == 1 or len(set(map(tuple, epochs))) > 1  # shuffled anew


def test_order_hangs_on_the_seed_and_the_domain():
    cache, pictures = make_cache(8)
    first, second = (order(images_drawn, pictures) for images_drawn in draw((cache, cache), 8))
    other, _ = (order(images_drawn, pictures) for images_drawn in draw((cache, cache), 8, seed=1))
    assert first != second
    assert first != other


@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_run_that_goes_on_at_a_step_sees_what_it_would_have_seen(batch_size):
    caches = [make_cache(count, seed=count)[0] for count in (4, 5)]
    options = {"img_size": 8, "augment": True, "batch_size": batch_size}
    whole = draw(caches, 7, **options)
    rest = draw(caches, 4, first_step=3, **options)
    for all_images, later in zip(whole, rest, strict=True):
        np.testing.assert_array_equal(all_images[3 * batch_size :], later)


def test_no_picture_of_a_tour_is_left_out_or_shown_twice_where_a_run_goes_on():
    (cache_a, pictures_a), (cache_b, pictures_b) = make_cache(7, seed=1), make_cache(5, seed=2)
    sessions = [
        draw((cache_a, cache_b), steps, batch_size=3, first_step=first) for first, steps in ((0, 4), (4, 1), (5, 9))
    ]
    for domain, pictures in enumerate((pictures_a, pictures_b)):
        sequence, count = order(np.concatenate([session[domain] for session in sessions]), pictures), len(pictures)
        assert len(sequence) == 3 * 14
        epochs = [sequence[i : i + count] for i in range(0, len(sequence) - count + 1, count)]
        assert all(sorted(epoch) == list(range(count)) for epoch in epochs)


def test_augmentation_crops_and_flips_each_image_on_its_own():
    caches = [make_cache(1, seed=seed)[0] for seed in (1, 2)]
    pictures = make_cache(1, seed=1)[1]
    drawn, _ = draw(caches, 40, img_size=8, augment=True)
    source = images.to_float(pictures[0])
    windows = {}
    for flipped, view in ((False, source), (True, source[:, ::-1])):
        for y, x in itertools.product(range(5), repeat=2):
            windows[flipped, y, x] = view[y : y + 8, x : x + 8]
    found = {key for image in drawn for key, window in windows.items() if np.array_equal(image, window)}
    assert all(any(np.array_equal(image, window) for window in windows.values()) for image in drawn)
    assert {flipped for flipped, *_ in found} == {False, True}
    assert {y for _, y, _ in found} == {x for *_, x in found} == set(range(5))


def test_without_flips_the_same_crops_are_seen_the_right_way_round():
    caches = [make_cache(3, seed=seed)[0] for seed in (1, 2)]
    both, unflipped = (draw(caches, 40, img_size=8, augment=True, flip=flip) for flip in (True, False))
    for mixed, straight in zip(both, unflipped, strict=True):
        kept = (mixed == straight).all(axis=(1, 2, 3))
        turned = (mixed == straight[:, :, ::-1]).all(axis=(1, 2, 3))
        assert (kept | turned).all()
        assert 0 < kept.sum() < 40
    upright = images.to_float(make_cache(3, seed=1)[1])
    windows = [each[y : y + 8, x : x + 8] for each in upright for y in range(5) for x in range(5)]
    assert all(any(np.array_equal(image, window) for window in windows) for image in unflipped[0])


def test_images_that_are_not_augmented_are_not_flipped():
    caches = [make_cache(3, seed=seed)[0] for seed in (1, 2)]
    for flipping, straight in zip(draw(caches, 12, flip=True), draw(caches, 12, flip=False), strict=True):
        np.testing.assert_array_equal(flipping, straight)


def test_batches_are_float_in_minus_one_to_one():
    caches = [make_cache(4, seed=seed)[0] for seed in (1, 2)]
    for domain in draw(caches, 2, batch_size=2):
        assert domain.shape == (4, SIDE, SIDE, 3)
        assert domain.dtype == np.float32
        assert -1 <= domain.min() < -0.9 and 0.9 < domain.max() <= 1


def test_a_domain_without_a_readable_image_is_an_error_of_the_user():
    with pytest.raises(RunError, match="None of the 2 images in somewhere can be read"):
        draw((make_cache(3)[0], make_cache(2, unreadable=(0, 1))[0]), 1)


def test_a_run_stops_when_it_meets_too_many_unreadable_images():
    domain, broken = make_cache(30)[0], make_cache(30, unreadable=range(0, 30, 3))[0]
    with pytest.raises(
        RunError, match=r"^([4-9]|10) of the 30 images in somewhere cannot be read, .* 5%: \d+\.png: truncated"
    ):
        draw((domain, broken), 30)


def test_batches_put_on_a_device_are_the_same():
    caches = [make_cache(count, seed=count)[0] for count in (3, 2)]
    drawn, ahead = (draw(caches, 4, first_step=5, device=device) for device in (None, "/CPU:0"))
    for images_drawn, same in zip(drawn, ahead, strict=True):
        np.testing.assert_array_equal(same, images_drawn)


def test_the_shares_of_a_batch_are_the_batch():
    caches = [make_cache(count, seed=count)[0] for count in (5, 7)]
    options = {"img_size": 8, "augment": True, "batch_size": 6, "first_step": 3}
    whole = draw(caches, 2, **options)
    shares = [draw(caches, 2, share=(part, 3), **options) for part in range(3)]
    for domain, images_drawn in enumerate(whole):
        together = np.concatenate([share[domain].reshape(2, 2, 8, 8, 3) for share in shares], axis=1)
        np.testing.assert_array_equal(together.reshape(images_drawn.shape), images_drawn)
