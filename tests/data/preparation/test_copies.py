"""Copies among pictures that are made up: a picture's look is its number, as a plain grey."""

import dataclasses
import hashlib
import random

import numpy as np
import pytest

from ugatit_tf.data.preparation import copies, likeness
from ugatit_tf.data.preparation.copies import Copies
from ugatit_tf.data.preparation.likeness import Likeness
from ugatit_tf.data.preparation.survey import Picture


def prints(number):
    look = np.random.default_rng(number).integers(0, 256, (2, 32), np.uint8)
    return [(each.tobytes() + bytes([100, 100, 100])).hex() for each in look]


def picture(number, size=100, copy=0):
    """One of its own for each number; those of one number look the same, and each `copy` is another file."""
    plain, mirrored = prints(number)
    digest = hashlib.sha256(f"{number} {copy}".encode()).hexdigest()
    return Picture(f"{number}_{copy}.png", digest=digest, side=size, fingerprints=(plain,), mirrored=(mirrored,))


def mirror_of(number, size=100):
    plain, mirrored = prints(number)
    return dataclasses.replace(picture(number, size, copy=9), fingerprints=(mirrored,), mirrored=(plain,))


def look(picture, view):
    return np.full((64, 64, 3), view, np.uint8)


@pytest.fixture(autouse=True)
def verdict(monkeypatch):
    """Has the close comparison say what is put into a list."""
    said = [Likeness.SAME]
    monkeypatch.setattr(likeness, "compare", lambda a, b: said[0])
    return said


def found(*pictures):
    return copies.find(pictures, look)


def test_of_copies_the_largest_is_kept_and_the_others_say_which():
    pictures = [picture(1, 100), picture(2, 50), picture(1, 300, copy=1), picture(1, 200, copy=2), picture(3, 60)]
    assert found(*pictures) == Copies((2, None, None, 2, None))


def test_the_largest_is_kept_whatever_the_files_are_called_and_contain():
    for number in range(20):
        sizes = random.Random(number).sample(range(50, 90), 4)
        pictures = [picture(number, size, copy) for copy, size in enumerate(sizes)]
        assert found(*pictures).of[sizes.index(max(sizes))] is None


def test_mirrored_pictures_are_copies():
    assert found(picture(1, 50), mirror_of(1)).of == (1, None)
    assert found(picture(1), mirror_of(1, 50)).of == (None, 0)


def test_pictures_of_one_square_are_copies():
    whole, square = picture(1), picture(2)
    both = [(*picture(number).fingerprints, *square.fingerprints) for number in (3, 4)]
    pictures = [
        Picture(f"{side}.png", digest=f"{side}", side=side, fingerprints=each)
        for side, each in zip((50, 90), both, strict=True)
    ]
    assert found(whole, *pictures, square).of == (None, 3, 3, None)
    assert copies.in_both([whole, square], pictures, look, look) == [(1, 0), (1, 1)]


def test_the_views_whose_fingerprints_are_near_are_compared(monkeypatch):
    compared = []
    monkeypatch.setattr(
        likeness, "compare", lambda a, b: compared.append((a[0, 0, 0], b[0, 0, 0])) or Likeness.DIFFERENT
    )
    square = picture(2)
    other = dataclasses.replace(picture(3, 50), fingerprints=(*picture(3).fingerprints, *square.fingerprints))
    assert found(square, other).of == (None, None)
    assert compared == [(0, 1)]


def test_of_equal_files_the_first_by_name_is_kept(verdict):
    verdict[0] = Likeness.DIFFERENT
    one = picture(1)
    other = dataclasses.replace(one, path="0_the_first.png")
    assert found(one, other).of == (1, None)
    assert found(other, one).of == (None, 0)
    assert copies.in_both([one], [other], look, look) == [(0, 0)]


def test_what_is_not_sure_is_kept_and_told(verdict):
    verdict[0] = Likeness.ALIKE
    assert found(picture(1, 50), picture(1, 60, copy=1), picture(2)) == Copies((None, None, None), ((1, 0),))
    verdict[0] = Likeness.DIFFERENT
    assert found(picture(1, 50), picture(1, 60, copy=1), picture(2)) == Copies((None, None, None))


def test_near_copies_may_be_kept_but_not_equal_files():
    pictures = [picture(1, 90), picture(1, 50, copy=1), dataclasses.replace(picture(1, 50, copy=1), path="same.png")]
    near = found(*pictures)
    assert near.of == (None, 0, 0)
    assert copies.without_near(pictures, near) == Copies((None, None, 1), ((0, 1),))


def test_pictures_of_both_domains_are_paired(verdict):
    a = [picture(1), picture(2), picture(3)]
    b = [picture(4), picture(3, copy=1), picture(1, size=70, copy=2)]
    assert copies.in_both(a, b, look, look) == [(2, 1), (0, 2)]
    assert copies.in_both(a, [], look, look) == copies.in_both([], b, look, look) == []
    verdict[0] = Likeness.ALIKE
    assert copies.in_both(a, b, look, look) == []
