"""Selection of the pictures of a domain: which are kept, and which of those are for testing; no chance is involved."""

import dataclasses
import hashlib
from collections.abc import Sequence

from ugatit_tf.data.preparation import duplicates
from ugatit_tf.data.preparation.survey import Picture


@dataclasses.dataclass(frozen=True)
class Choice:
    """What becomes of a picture: exactly one of the two is set.

    Attributes:
        split: "train" or "test".
        copy_of: the number of the picture that is kept in its place, as its square has more pixels of its own.
    """

    split: str = ""
    copy_of: int | None = None


def choose(pictures: Sequence[Picture], seed: int, share: float, most: int) -> list[Choice]:
    """Drops copies, and sets pictures apart for testing.

    The outcome depends on the pictures, not on their order; and more pictures, be they copies of others, never take one
    from training to testing: a file is drawn for testing by a hash of its content and the seed, and a picture is tested
    on where all files that show it are drawn.

    Args:
        pictures: those that can be used.
        seed: of the draw.
        share: of the files that are drawn, about; at least one of two, unless it is 0.
        most: files drawn.
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
    """The numbers of pictures of A and B that are the same."""
    index = _Index(a)
    for number in range(len(a)):
        index.add(number)
    found = ((index.find(picture), number) for number, picture in enumerate(b))
    return [(original, number) for original, number in found if original is not None]


def _copies(pictures: Sequence[Picture]) -> list[int | None]:
    """For each picture the number of the one that is kept in its place, or None: the largest of those alike is kept."""
    copies: list[int | None] = [None] * len(pictures)
    index = _Index(pictures)
    for number in sorted(range(len(pictures)), key=lambda number: _rank(pictures[number])):
        copies[number] = index.find(pictures[number])
        if copies[number] is None:
            index.add(number)
    return copies


class _Index:
    """Some of these pictures, to find one of them that is the same as a given one, as a whole or in its square."""

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
    return -picture.side, picture.digest, picture.path


def _draw(digest: str, seed: int) -> float:
    """A number from 0 to 1."""
    return int(hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()[:13], 16) / 16**13
