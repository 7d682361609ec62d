"""Detection of duplicate pictures by a perceptual hash, which survives recompression and resizing."""

import numpy as np

from ugatit_tf.data import images

_SIDE = 32
_FREQUENCIES = 16
_WORDS = _FREQUENCIES**2 // 64
# Of 256 bits, copies of the 800 demo faces (JPEG down to quality 20, half or twice the size, a border of a pixel less)
# differed in up to 18; the two most alike of the 800 in 40, of 6,000 such faces in 24, of 100 photographed ones in 84.
_MOST_BITS = 20
_MOST_COLOUR = 24  # levels of mean red, green or blue; without it, all plain pictures would be one

# The cosine transform without its constant term, which only tells how bright a picture is.
_COSINES = np.cos(np.pi / _SIDE * np.outer(np.arange(1, _FREQUENCIES + 1), np.arange(_SIDE) + 0.5))


def fingerprint(picture: np.ndarray) -> bytes:
    """What tells a picture from others: which of its low frequencies are strong, and its mean colour.

    Args:
        picture: uint8 `[H, W, C]` with C 1, 3 or 4.

    Returns:
        35 bytes, for an `Index`.
    """
    small = images.resize(picture, _SIDE)
    frequencies = _COSINES @ images.with_channels(small, 1)[..., 0] @ _COSINES.T
    frequencies = np.round(frequencies, 6)  # a plain picture has rounding errors alone
    bits = np.packbits(frequencies > np.median(frequencies))
    colour = np.rint(images.with_channels(small, 3).mean((0, 1))).astype(np.uint8)
    return bits.tobytes() + colour.tobytes()


class Index:
    """A collection of fingerprints, to find those like a given one.

    Args:
        capacity: how many it can hold.
    """

    def __init__(self, capacity: int) -> None:
        self._bits = np.empty((_WORDS, capacity), np.uint64)
        self._colours = np.empty((capacity, 3), np.int16)
        self._names = np.empty(capacity, np.int64)
        self._count = 0

    def add(self, name: int, print_: bytes) -> None:
        """Adds a fingerprint under a number."""
        self._bits[:, self._count], self._colours[self._count] = _parts(print_)
        self._names[self._count] = name
        self._count += 1

    def find(self, print_: bytes) -> int | None:
        """The number of the first fingerprint added that is of the same picture, or None."""
        bits, colour = _parts(print_)
        # Every one of them is compared, but by few operations on whole arrays; the first words leave next to none over.
        near = np.arange(self._count)
        different = np.zeros(self._count, np.uint8)
        for word, stored in zip(bits, self._bits, strict=True):
            different = different + np.bitwise_count(stored[near] ^ word)
            near, different = near[different <= _MOST_BITS], different[different <= _MOST_BITS]
        near = near[np.abs(self._colours[near] - colour).max(axis=1, initial=0) <= _MOST_COLOUR]
        return int(self._names[near[0]]) if len(near) else None


def _parts(print_: bytes) -> tuple[np.ndarray, np.ndarray]:
    return np.frombuffer(print_, np.uint64, _WORDS), np.frombuffer(print_, np.uint8, offset=8 * _WORDS).astype(np.int16)
