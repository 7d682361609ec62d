"""Finds copies among surveyed pictures: fingerprints name candidates, and a close comparison decides.

Every picture has up to two views, the whole picture and its square, as each of them may be another file's. A view is
also looked for as its mirror image.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ugatit_tf.data.preparation import duplicates, likeness
from ugatit_tf.data.preparation.likeness import Likeness
from ugatit_tf.data.preparation.survey import Picture

_VIEWS = 2

Look = Callable[[Picture, int], np.ndarray]  # a picture's view, 0 or 1, as `likeness.compare` takes it


@dataclasses.dataclass(frozen=True)
class Copies:
    """The copies among some pictures, by the pictures' numbers.

    Attributes:
        of: for each picture the number of the larger one that shows the same, or None.
        alike: pairs of pictures that may show the same, the larger one first; neither is a copy of a larger one.
    """

    of: tuple[int | None, ...]
    alike: tuple[tuple[int, int], ...] = ()


def find(pictures: Sequence[Picture], look: Look) -> Copies:
    """Finds the copies of each picture among others of one domain, whatever the order of the pictures."""
    copies: list[int | None] = [None] * len(pictures)
    alike: list[tuple[int, int]] = []
    firsts: dict[str, int] = {}
    index = _Index(pictures, look)
    for number in sorted(range(len(pictures)), key=lambda number: _rank(pictures[number])):
        first = firsts.setdefault(pictures[number].digest, number)
        if first != number:  # the same bytes
            copies[number] = first if copies[first] is None else copies[first]
            continue
        same, similar = index.find(pictures[number], look)
        copies[number] = same
        if same is None:
            alike += [(other, number) for other in similar]
            index.add(number)
    return Copies(tuple(copies), tuple(alike))


def without_near(pictures: Sequence[Picture], copies: Copies) -> Copies:
    """Returns copies of which only files of the same bytes are copies; the others count as alike."""
    near = [
        (original, number)
        for number, original in enumerate(copies.of)
        if original is not None and pictures[original].digest != pictures[number].digest
    ]
    numbers = {number for _, number in near}
    firsts: dict[str, int] = {}
    of = []
    for number, original in enumerate(copies.of):
        # Of several files of the same bytes, one is kept.
        first = firsts.setdefault(pictures[number].digest, number) if number in numbers else original
        of.append(first if first != number else None)
    return Copies(tuple(of), (*copies.alike, *((a, b) for a, b in near if of[b] is None)))


def in_both(a: Sequence[Picture], b: Sequence[Picture], look_a: Look, look_b: Look) -> list[tuple[int, int]]:
    """Returns the pairs of numbers of a picture of A and the same picture in B."""
    index = _Index(a, look_a)
    for number in range(len(a)):
        index.add(number)
    found = ((index.find(picture, look_b)[0], number) for number, picture in enumerate(b))
    return [(original, number) for original, number in found if original is not None]


class _Index:
    """Finds the pictures, of those added, that show the same as a given one."""

    def __init__(self, pictures: Sequence[Picture], look: Look) -> None:
        self._pictures, self._look = pictures, look
        self._index = duplicates.Index(sum(len(picture.fingerprints) for picture in pictures))

    def add(self, number: int) -> None:
        for view, fingerprint in enumerate(self._pictures[number].fingerprints):
            self._index.add(_VIEWS * number + view, bytes.fromhex(fingerprint))

    def find(self, picture: Picture, look: Look) -> tuple[int | None, list[int]]:
        """Returns the number of a picture that shows the same, or None, and those of pictures that may show it."""
        alike: dict[int, None] = {}
        for number, found in self._compared(picture, look):
            if found is Likeness.SAME:
                return number, []
            if found is Likeness.ALIKE:
                alike[number] = None
        return None, list(alike)

    def _compared(self, picture: Picture, look: Look) -> Iterator[tuple[int, Likeness]]:
        for mirrored, fingerprints in enumerate((picture.fingerprints, picture.mirrored)):
            for view, fingerprint in enumerate(fingerprints):
                for found in self._index.find(bytes.fromhex(fingerprint)):
                    number, other = divmod(found, _VIEWS)
                    original = self._pictures[number]
                    if original.digest == picture.digest:
                        yield number, Likeness.SAME
                        continue
                    mine = look(picture, view)
                    mine = mine[:, ::-1] if mirrored else mine
                    yield number, likeness.compare(self._look(original, other), mine)


def _rank(picture: Picture) -> tuple[int, str, str]:
    """Returns a key that sorts the largest square first, whatever the order of the files."""
    return -picture.side, picture.digest, picture.path
