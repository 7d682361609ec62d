"""The choice is a pure function of what the pictures are; these are made up."""

import hashlib
import random

import pytest

from ugatit_tf.data.preparation.copies import Copies
from ugatit_tf.data.preparation.selection import choose
from ugatit_tf.data.preparation.survey import Picture


def picture(number, copy=0):
    digest = hashlib.sha256(f"{number} {copy}".encode()).hexdigest()
    return Picture(f"{number}_{copy}.png", digest=digest, key=f"{number} {copy}")


def copies_of(pictures):
    """The first of each number is kept; the others are its copies."""
    numbers = [each.path.partition("_")[0] for each in pictures]
    firsts = [numbers.index(number) for number in numbers]
    return Copies(tuple(None if first == own else first for own, first in enumerate(firsts)))


def splits(pictures, *, copies=None, **options):
    settings = {"seed": 0, "share": 0.05, "most": 100} | options
    choices = choose(pictures, copies or copies_of(pictures), **settings)
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


def test_of_few_pictures_one_is_picked():
    assert len(picked(MANY[:2], share=1e-9)) == 1
    assert len(picked(MANY[:47], share=1e-9)) == 1
    assert picked(MANY[:1]) == set()
    assert choose([], Copies(()), seed=0, share=0.05, most=100) == []


@pytest.mark.parametrize(("count", "options", "expected"), [
    (48, {}, 12), (73, {}, 12), (300, {"share": 1e-9}, 12), (60, {"share": 0.0}, 0), (60, {"most": 5}, 5),
])  # fmt: skip
def test_at_least_twelve_are_tested_where_there_are_enough(count, options, expected):
    assert len(picked(MANY[:count], **options)) == expected


def test_twelve_are_pictures_and_not_their_copies():
    pictures = [picture(number, copy) for number in range(50) for copy in range(2)]
    tested = picked(pictures)
    assert len(tested) == 12
    assert splits(pictures) == splits(pictures)


def test_a_picture_that_was_trained_on_stays_there_when_the_set_grows_beyond_48():
    before = splits(MANY[:40])
    trained = {path for path, split in before.items() if split == "train"}
    keys = {each.key for each in MANY if each.path in trained}
    now = picked(MANY[:60], trained=keys)
    assert not now & trained
    assert len(now) == 12
    again = {each.key for each in MANY[:60] if each.path not in now}
    assert picked(MANY[:60], trained=again) == now


def test_pictures_that_may_be_copies_are_in_one_split():
    alike = ((3, 7), (7, 11), (20, 21))
    for seed in range(20):
        found = splits(MANY[:100], copies=Copies((None,) * 100, alike), share=0.5, seed=seed)
        assert found["3_0.png"] == found["7_0.png"] == found["11_0.png"]
        assert found["20_0.png"] == found["21_0.png"]


def test_the_seed_decides_and_the_order_does_not():
    assert splits(MANY) == splits(MANY[::-1])
    assert picked(MANY) != picked(MANY, seed=1)


@pytest.mark.parametrize("most", [3, 100])
def test_more_pictures_never_take_one_from_training_to_testing(most):
    rng = random.Random(0)
    pool = [picture(number, copy) for number in range(60) for copy in range(3)]
    for _ in range(10):
        rng.shuffle(pool)
        trained, seen, keys = set(), set(), set()
        for count in range(10, 180, 10):
            before = trained
            now = splits(pool[:count], most=most, share=0.1, trained=keys)
            trained = {path.partition("_")[0] for path, split in now.items() if split == "train"}
            keys = {each.key for each in pool[:count] if now[each.path] == "train"}
            testing = {path.partition("_")[0] for path, split in now.items() if split == "test"}
            seen |= testing
            assert not testing & before
        assert seen
