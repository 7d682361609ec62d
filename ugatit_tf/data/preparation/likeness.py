"""Compares two pictures closely: in colour, at 64 pixels, moved by up to two pixels, whatever their brightness.

The fingerprints of `duplicates` see the coarse grey structure alone. Drawings of one style share it although their
colours, mouths or glasses differ, so a fingerprint only names candidates.
"""

import enum

import numpy as np

from ugatit_tf.data import images

SIDE = 64
_REACH = 2  # pixels by which a picture may be moved
_DETAIL, _AREA = 3, 9  # sides of the boxes over which differences are averaged: noise cancels out, features do not
_LARGEST = 20  # the mean of so many boxes counts; one alone may be chance
# Measured on 420 drawn heads, 60 photographs and 300 demo faces, as (detail, area) in levels of 255. Copies (JPEG down
# to quality 20, 0.5 to 1.6 times the size, lighter or darker by 25 levels): drawings at most (19, 10), photographs
# (7, 6). Drawings that were halved and saved as JPEG of quality 60: (26, 19). Different drawings whose fingerprints
# are near: at least (57, 33).
_SAME = (24, 12)
_ALIKE = (48, 30)
_FULL_CONTRAST = 200  # levels; in a paler picture smaller differences count
_LEAST_CONTRAST = 50
_FACTORS, _OFFSET = (0.75, 1.33), 40  # limits of the factor and of the offset between two pictures' brightness
_BLACK, _WHITE = 4, 251  # beyond these levels, a change of brightness may have cut values off
_ENOUGH = 200  # values that must not be cut off to estimate a change of brightness
_LEAST_VARIANCE = 25


class Likeness(enum.Enum):
    """How alike two pictures are: SAME for a copy, ALIKE where it is not sure that they show different things."""

    SAME = "same"
    ALIKE = "alike"
    DIFFERENT = "different"


def compare(a: np.ndarray, b: np.ndarray) -> Likeness:
    """Compares two pictures, uint8 `[64, 64, 3]` each; the order does not matter."""
    a, b = (np.asarray(image, np.float32) for image in (a, b))
    # A change of brightness cuts off levels in one of the two, so only the other one can predict it.
    found = min(_differences(a, b), _differences(b, a))
    for limits, likeness in ((_SAME, Likeness.SAME), (_ALIKE, Likeness.ALIKE)):
        if all(value <= limit for value, limit in zip(found, limits, strict=True)):
            return likeness
    return Likeness.DIFFERENT


def look(image: np.ndarray) -> np.ndarray:
    """Returns a picture, uint8 `[H, W, C]`, as `compare` takes it: uint8 `[64, 64, 3]`."""
    return images.with_channels(images.resize(image, SIDE), 3)


def _differences(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Returns the differences of detail and of area, in levels, between `a` and what `b` predicts of it."""
    inner = slice(_REACH, SIDE - _REACH)
    target, grey, predicted = a[inner, inner], a[inner, inner].mean(-1), _predict(a, b).mean(-1)
    places = [(y, x) for y in range(2 * _REACH + 1) for x in range(2 * _REACH + 1)]
    errors = [np.abs(grey - _window(predicted, *place)).mean() for place in places]
    difference = target - _predict(target, _window(b, *places[int(np.argmin(errors))]))
    contrast = np.clip(np.ptp(np.percentile(target, (0.5, 99.5))), _LEAST_CONTRAST, _FULL_CONTRAST)
    detail = np.sort(_largest_of_channels(difference, _DETAIL), axis=None)[-_LARGEST:].mean()
    area = _largest_of_channels(difference, _AREA).max()
    return tuple(float(value * _FULL_CONTRAST / contrast) for value in (detail, area))


def _window(image: np.ndarray, y: int, x: int) -> np.ndarray:
    """Returns the part of an image from row `y` and column `x` on that is as large as the inner part of another."""
    side = SIDE - 2 * _REACH
    return image[y : y + side, x : x + side]


def _predict(target: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Returns an image with the brightness of another: all its levels times a factor, plus an offset."""
    inside = (np.minimum(target, image) > _BLACK) & (np.maximum(target, image) < _WHITE)
    if inside.sum() < _ENOUGH:
        return image
    x, y = image[inside], target[inside]
    variance = x.var()
    factor = np.mean((x - x.mean()) * (y - y.mean())) / variance if variance > _LEAST_VARIANCE else 1.0
    factor = np.clip(factor, *_FACTORS)
    offset = np.clip(y.mean() - factor * x.mean(), -_OFFSET, _OFFSET)
    return np.clip(factor * image + offset, 0, 255)


def _largest_of_channels(difference: np.ndarray, side: int) -> np.ndarray:
    """Averages differences over each box of `side` pixels; returns the largest channel's amount."""
    sums = np.pad(difference.cumsum(0).cumsum(1), ((1, 0), (1, 0), (0, 0)))
    boxes = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.abs(boxes).max(-1) / side**2
