"""Finds which pixels of a square show a person, by MediaPipe's selfie segmentation, and lays them over a plain ground.

The network sees 256 pixels, so its edges are soft and coarse. A guided filter (He et al., 2010) moves them to the edges
of the picture: in every small window, the mask becomes a linear function of the brightness. The function is computed at
256 pixels and used at the square's own size, so that strands of hair come out at any size.
"""

import functools

import numpy as np
from PIL import Image

from ugatit_tf.data import images
from ugatit_tf.data.faces.network import Network
from ugatit_tf.data.regions import colour_of
from ugatit_tf.system import assets

SIDE = 256  # pixels of the network's input
_RADIUS = 4  # pixels of 256: the windows of the guided filter have nine pixels on a side
_EPSILON = 0.002  # of brightness from 0 to 1: a window of less variance is flat, and its mask is smoothed
_LOW, _HIGH = 0.15, 0.85  # what is less or more is no person or all person: a haze would remain otherwise
_CELLS = 64  # on a side: the cells in which the parts of a mask are told apart
_PART = 0.25  # a cell with a larger mean belongs to a part
_SHARE_OF_LARGEST = 0.25  # smaller parts are other people, or none
_LEAST_PERSON = 0.02  # of the square: with less, nothing in it is a person
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114  # brightness, as ITU-R 601 defines it

# MediaPipe's polynomial of how uncertain a mask is, in squares of the distance from one half.
_CERTAINTY = (5.68842, -0.748699, -57.8051, 291.309, -624.717)
_KEPT = 0.7  # the share of the last frame's mask where the new one is uncertain


@functools.cache
def person_mask(folder: str = "") -> "PersonMask":
    """Returns the mask.

    Args:
        folder: the folder of `--assets`; "": npm fetches the network.

    Raises:
        RunError: The network cannot be fetched or read.
    """
    return PersonMask(Network(assets.PERSON_MASK, folder))


class PersonMask:
    """Computes masks. Several threads may call it.

    Args:
        network: maps float32 `[1, 256, 256, 3]` in [0, 1] to the share of person, `[1, 256, 256, 1]`.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def __call__(self, square: np.ndarray) -> np.ndarray:
        """Returns how much of each pixel is a person.

        Args:
            square: uint8 `[S, S, C]`.

        Returns:
            float32 `[S, S]`, 0 to 1.
        """
        rgb = images.with_channels(square, 3)
        small = images.resize(rgb, SIDE).astype(np.float32) / 255
        coarse = main_parts(np.clip(self._network(small[np.newaxis])[0][0, :, :, 0], 0, 1))
        return guided(coarse, _brightness(small), _brightness(rgb.astype(np.float32) / 255))


def main_parts(coarse: np.ndarray) -> np.ndarray:
    """Removes the parts of a mask that are small beside the largest: a hand or a head at the edge of the square.

    Args:
        coarse: float32 `[256, 256]`, 0 to 1.

    Returns:
        float32 `[256, 256]`, 0 to 1.
    """
    cell = SIDE // _CELLS
    is_part = coarse.reshape(_CELLS, cell, _CELLS, cell).mean((1, 3)) > _PART
    # Each cell takes the largest number of its neighbours until nothing changes: then each part has one number.
    numbers = np.where(is_part, np.arange(1, _CELLS**2 + 1).reshape(_CELLS, _CELLS), 0)
    while True:
        spread = np.where(is_part, _largest_near(numbers), 0)
        if (spread == numbers).all():
            break
        numbers = spread
    areas = np.bincount(numbers.ravel())
    areas[0] = 0
    kept = _largest_near((is_part & (areas[numbers] >= _SHARE_OF_LARGEST * areas.max())).astype(np.float32))
    return coarse * _enlarged(kept, SIDE)


def guided(coarse: np.ndarray, small: np.ndarray, large: np.ndarray) -> np.ndarray:
    """Moves the edges of a mask to those of a picture.

    Args:
        coarse: the mask, float32 `[N, N]`, 0 to 1.
        small: the brightness of the picture at the same size, 0 to 1.
        large: its brightness at the size of the result, float32 `[S, S]`.

    Returns:
        float32 `[S, S]`, 0 to 1.
    """
    mean, mean_mask = box_mean(small, _RADIUS), box_mean(coarse, _RADIUS)
    variance = box_mean(small * small, _RADIUS) - mean * mean
    slope = (box_mean(small * coarse, _RADIUS) - mean * mean_mask) / (variance + _EPSILON)
    offset = mean_mask - slope * mean
    slope, offset = (_enlarged(box_mean(each, _RADIUS), len(large)) for each in (slope, offset))
    return np.clip((slope * large + offset - _LOW) / (_HIGH - _LOW), 0, 1)


def box_mean(values: np.ndarray, radius: int) -> np.ndarray:
    """Returns the mean of the `2 radius + 1` pixels a side around each pixel, without those beyond the edge."""
    for axis in (0, 1):
        length = values.shape[axis]
        sums = np.insert(np.cumsum(values, axis=axis, dtype=np.float64), 0, 0, axis=axis)
        first = np.maximum(np.arange(length) - radius, 0)
        last = np.minimum(np.arange(length) + radius + 1, length)
        counts = np.expand_dims(last - first, 1 - axis)
        values = (np.take(sums, last, axis) - np.take(sums, first, axis)) / counts
    return values.astype(np.float32)


def shows_person(mask: np.ndarray) -> bool:
    """Returns whether a mask has more than a trace of a person."""
    return float(mask.mean()) >= _LEAST_PERSON


def on_ground(square: np.ndarray, mask: np.ndarray, colour: str) -> np.ndarray:
    """Lays the person in a square over a ground of one colour.

    Args:
        square: uint8 `[S, S, C]`.
        mask: float32 `[S, S]`, 0 to 1.
        colour: "white" or "#rrggbb".

    Returns:
        uint8 `[S, S, C]`.
    """
    share = mask[..., np.newaxis]
    ground = np.array(colour_of(colour, square.shape[-1]), np.float32)
    return np.floor(square * share + ground * (1 - share) + np.float32(0.5)).astype(np.uint8)


def steadied(mask: np.ndarray, last: np.ndarray | None) -> np.ndarray:
    """Returns a frame's mask, with that of the last frame mixed in where the new one is uncertain, as MediaPipe does.

    Args:
        mask: float32 `[S, S]`, 0 to 1.
        last: the last result of this function, of the same shape; None for the first frame.
    """
    if last is None:
        return mask
    squared = np.square(mask - np.float32(0.5))
    certainty = np.zeros_like(squared)
    for factor in reversed(_CERTAINTY):
        certainty = (certainty + np.float32(factor)) * squared
    return mask + (last - mask) * (1 - np.minimum(certainty, 1)) * np.float32(_KEPT)


def _largest_near(values: np.ndarray) -> np.ndarray:
    """Returns the largest value of each cell and its eight neighbours."""
    padded = np.pad(values, 1)
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])


def _brightness(rgb: np.ndarray) -> np.ndarray:
    return _RED * rgb[..., 0] + _GREEN * rgb[..., 1] + _BLUE * rgb[..., 2]


def _enlarged(values: np.ndarray, size: int) -> np.ndarray:
    if len(values) == size:
        return values
    return np.asarray(Image.fromarray(values).resize((size, size), Image.Resampling.BILINEAR))
