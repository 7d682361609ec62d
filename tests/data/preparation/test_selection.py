"""The choice is a pure function of what the pictures are; these are made up."""

import dataclasses
import hashlib
import random

import numpy as np
import pytest

from ugatit_tf.data.preparation.selection import choose, in_both
from ugatit_tf.data.preparation.survey import Picture


def picture(number, size=100, copy=0):
    """One of its own for each number; those of one number look the same, and each `copy` is another file."""
    look = np.random.default_rng(number).integers(0, 256, 32, np.uint8).tobytes() + bytes([100, 100, 100])
    digest = hashlib.sha256(f"{number} {copy}".encode()).hexdigest()
    return Picture(f"{number}_{copy}.png", digest=digest, side=size, fingerprints=(look.hex(),))


def splits(pictures, **options):
    choices = choose(pictures, **({"seed": 0, "share": 0.05, "most": 100} | options))
    return {each.path: choice.split for each, choice in zip(pictures, choices, strict=True)}


def picked(pictures, **options):
    return {path for path, split in splits(pictures, **options).items() if split == "test"}


MANY = [picture(number) for number in range(1000)]


def test_about_the_share_is_tested_on_and_no_more_than_the_most():
    assert 30 <= len(picked(MANY)) <= 70
    assert 160 <= len(picked(MANY, share=0.2, most=1000)) <= 240
    assert len(picked(MANY, share=0.2)) == 100
    assert len(picked(MANY, most=7)) == 7
    assert picked(MANY, share=0.0) == set()
    assert set(splits(MANY).values()) == {"train", "test"}


def test_of_few_pictures_one_ispicked():
    assert len(picked(MANY[:2], share=1e-9)) == 1
    assert len(picked(MANY[:300], share=1e-9)) == 1
    assert picked(MANY[:1]) == set()
    assert choose([], 0, 0.05, 100) == []


def test_the_seed_decides_and_the_order_does_not():
    assert splits(MANY) == splits(MANY[::-1])
    assert picked(MANY) != picked(MANY, seed=1)


@pytest.mark.parametrize("most", [3, 100])
def test_more_pictures_never_take_one_from_training_to_testing(most):
    rng = random.Random(0)
    # Each comes in three versions of different sizes, of which the largest is kept, whenever it comes.
    pool = [picture(number, size, copy) for number in range(60) for copy, size in enumerate((100, 200, 300))]
    for _ in range(10):
        rng.shuffle(pool)
        trained, seen = set(), set()
        for count in range(10, 180, 10):
            before = trained
            now = splits(pool[:count], most=most, share=0.1)
            trained = {path.partition("_")[0] for path, split in now.items() if split == "train"}
            testing = {path.partition("_")[0] for path, split in now.items() if split == "test"}
            seen |= testing
            assert not testing & before
        assert seen


def test_of_copies_the_largest_is_kept_and_the_others_say_which():
    pictures = [picture(1, 100), picture(2, 50), picture(1, 300, copy=1), picture(1, 200, copy=2), picture(3, 60)]
    choices = choose(pictures, 0, 0.0, 100)
    assert [choice.copy_of for choice in choices] == [2, None, None, 2, None]
    assert [choice.split for choice in choices] == ["", "train", "train", "", "train"]


def test_the_largest_is_kept_whatever_the_files_are_called_and_contain():
    for number in range(20):
        sizes = random.Random(number).sample(range(50, 90), 4)
        pictures = [picture(number, size, copy) for copy, size in enumerate(sizes)]
        assert choose(pictures, 0, 0.0, 100)[sizes.index(max(sizes))].copy_of is None


def test_pictures_of_one_square_are_copies():
    whole, square = picture(1), picture(2)
    both = [(*picture(number).fingerprints, *square.fingerprints) for number in (3, 4)]
    pictures = [Picture(f"{side}.png", side=side, fingerprints=each) for side, each in zip((50, 90), both, strict=True)]
    assert [choice.copy_of for choice in choose([whole, *pictures, square], 0, 0.0, 100)] == [None, 3, 3, None]
    assert in_both([whole, square], pictures) == [(1, 0), (1, 1)]


def test_of_equal_files_the_first_by_name_is_kept():
    one = picture(1)
    other = dataclasses.replace(one, path="0_the_first.png")
    assert [choice.copy_of for choice in choose([one, other], 0, 0.0, 100)] == [1, None]
    assert [choice.copy_of for choice in choose([other, one], 0, 0.0, 100)] == [None, 0]


def test_pictures_of_both_domains_are_paired():
    a = [picture(1), picture(2), picture(3)]
    b = [picture(4), picture(3, copy=1), picture(1, size=70, copy=2)]
    assert in_both(a, b) == [(2, 1), (0, 2)]
    assert in_both(a, []) == in_both([], b) == []
