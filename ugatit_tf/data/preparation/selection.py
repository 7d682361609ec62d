"""Selects the pictures of a domain: which ones are kept, and which of those are for testing.

The choice is made by hashes of contents, without a random generator: it stays the same when pictures are added.
"""

import dataclasses
import hashlib
from collections.abc import Sequence

from ugatit_tf.data.preparation import duplicates
from ugatit_tf.data.preparation.survey import Picture


@dataclasses.dataclass(frozen=True)
class Choice:
    """The decision on a picture; exactly one attribute is set.

    Attributes:
        split: "train" or "test".
        copy_of: the number of the picture that is kept instead: the copy whose square has the most pixels.
    """

    split: str = ""
    copy_of: int | None = None


def choose(pictures: Sequence[Picture], seed: int, share: float, most: int) -> list[Choice]:
    """Drops copies, and chooses pictures for testing.

    A file is drawn for testing by a hash of its content and the seed. A picture is for testing if all files that show
    it are drawn. So the order of the pictures does not matter, and more pictures, even copies of others, never move one
    from training to testing.

    Args:
        pictures: the pictures that can be used.
        seed: the seed of the draw.
        share: the approximate share of files to draw. At least one file is drawn of two or more, unless it is 0.
        most: the largest number of files to draw.
    """
    draws = {picture.digest: _draw(picture.digest, seed) for picture in pictures}
    low = sum(draw < share for draw in draws.values())
    count = min(most, max(low, 1)) if share and len(draws) > 1 else 0
    drawn = set(sorted(draws, key=draws.__getitem__)[:count])
    copies = _copies(pictures)
    shown = [number if original is None else original for number, original in enumerate(copies)]
    training = {number for number, picture in zip(shown, pictures, strict=True) if picture.digest not in drawn}
    return [
        Choice("train" if number in training else "test") if original is None else Choice(copy_of=original)
        for number, original in enumerate(copies)
    ]


def in_both(a: Sequence[Picture], b: Sequence[Picture]) -> list[tuple[int, int]]:
    """Returns the pairs of numbers of a picture of A and the same picture in B."""
    index = _Index(a)
    for number in range(len(a)):
        index.add(number)
    found = ((index.find(picture), number) for number, picture in enumerate(b))
    return [(original, number) for original, number in found if original is not None]


def _copies(pictures: Sequence[Picture]) -> list[int | None]:
    """Returns for each picture the number of the larger one that is kept instead, or None if it is kept itself."""
    copies: list[int | None] = [None] * len(pictures)
    index = _Index(pictures)
    for number in sorted(range(len(pictures)), key=lambda number: _rank(pictures[number])):
        copies[number] = index.find(pictures[number])
        if copies[number] is None:
            index.add(number)
    return copies


class _Index:
    """Finds the pictures, of those added, that are the same as a given one, as a whole or in the square."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self._pictures = pictures
        self._index = duplicates.Index(sum(len(picture.fingerprints) for picture in pictures))

    def add(self, number: int) -> None:
        for fingerprint in self._pictures[number].fingerprints:
            self._index.add(number, bytes.fromhex(fingerprint))

    def find(self, picture: Picture) -> int | None:
        found = (self._index.find(bytes.fromhex(fingerprint)) for fingerprint in picture.fingerprints)
        return next((number for number in found if number is not None), None)


def _rank(picture: Picture) -> tuple[int, str, str]:
    """Returns a key that sorts the largest square first, whatever the order of the files."""
    return -picture.side, picture.digest, picture.path


def _draw(digest: str, seed: int) -> float:
    """Returns a number from 0 to 1 that depends on a file's content and the seed."""
    return int(hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()[:13], 16) / 16**13
