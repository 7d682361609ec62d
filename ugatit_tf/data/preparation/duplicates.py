"""Names pictures that may be copies by a perceptual hash, which recompression and resizing hardly change.

The hash sees the coarse structure of grey levels alone, so different drawings of one style may share it. `likeness`
compares the pictures that this module names.
"""

import numpy as np

from ugatit_tf.data import images

_SIDE = 32
_FREQUENCIES = 16
_WORDS = _FREQUENCIES**2 // 64
# Measured differences, of 256 bits: copies (JPEG down to quality 20, 0.5 to 1.6 times the size, lighter or darker by 25
# levels) of 420 drawn heads, 60 photographs and 300 demo faces differed from their originals in at most 26. Among the
# drawn heads, 43 pairs of different ones differ in at most 30 as well.
_MOST_BITS = 30
_MOST_COLOUR = 64  # levels of mean red, green or blue; all pictures of a single colour have one hash
_MOST_FOUND = 8  # more would cost much time in a set whose pictures are all alike

# The cosine transform without its constant term, which is the picture's brightness.
_COSINES = np.cos(np.pi / _SIDE * np.outer(np.arange(1, _FREQUENCIES + 1), np.arange(_SIDE) + 0.5))


def fingerprint(picture: np.ndarray) -> bytes:
    """Computes a picture's fingerprint: one bit for each low frequency, set if it is above the median; the mean colour.

    Args:
        picture: uint8 `[H, W, C]` with C 1, 3 or 4.

    Returns:
        35 bytes, for an `Index`.
    """
    return _of_small(images.resize(picture, _SIDE))


def with_mirrored(picture: np.ndarray) -> tuple[bytes, bytes]:
    """Returns the fingerprints of a picture and of its mirror image."""
    small = images.resize(picture, _SIDE)  # mirroring the picture itself would copy it
    return _of_small(small), _of_small(np.ascontiguousarray(small[:, ::-1]))


def _of_small(small: np.ndarray) -> bytes:
    frequencies = _COSINES @ images.with_channels(small, 1)[..., 0] @ _COSINES.T
    frequencies = np.round(
        frequencies, 6
    )  # without it, rounding errors would decide the bits of a picture of a single colour
    bits = np.packbits(frequencies > np.median(frequencies))
    colour = np.rint(images.with_channels(small, 3).mean((0, 1))).astype(np.uint8)
    return bits.tobytes() + colour.tobytes()


class Index:
    """A collection of fingerprints that finds those near a given one.

    Args:
        capacity: the largest number of fingerprints.
    """

    def __init__(self, capacity: int) -> None:
        self._bits = np.empty((_WORDS, capacity), np.uint64)
        self._colours = np.empty((capacity, 3), np.int16)
        self._numbers = np.empty(capacity, np.int64)
        self._count = 0

    def add(self, number: int, fingerprint: bytes) -> None:
        """Adds a fingerprint under a number."""
        self._bits[:, self._count], self._colours[self._count] = _parts(fingerprint)
        self._numbers[self._count] = number
        self._count += 1

    def find(self, fingerprint: bytes) -> list[int]:
        """Returns the numbers of the fingerprints that are near, at most eight, the nearest first."""
        bits, colour = _parts(fingerprint)
        # All are compared, word after word, by operations on whole arrays: few remain after the first word.
        near = np.arange(self._count)
        different = np.zeros(self._count, np.uint8)
        for word, stored in zip(bits, self._bits, strict=True):
            different = different + np.bitwise_count(stored[near] ^ word)
            near, different = near[different <= _MOST_BITS], different[different <= _MOST_BITS]
        alike = np.abs(self._colours[near] - colour).max(axis=1, initial=0) <= _MOST_COLOUR
        near, different = near[alike], different[alike]
        return self._numbers[near[np.argsort(different, kind="stable")[:_MOST_FOUND]]].tolist()


def _parts(fingerprint: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bits, uint64 `[4]`, and the mean colour, int16 `[3]`."""
    colour = np.frombuffer(fingerprint, np.uint8, offset=8 * _WORDS)
    return np.frombuffer(fingerprint, np.uint64, _WORDS), colour.astype(np.int16)
