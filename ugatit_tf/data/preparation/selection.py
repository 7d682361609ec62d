"""Selects the pictures of a domain: which ones are kept, and which of those are for testing.

The choice is made by hashes of contents, without a random generator: it stays the same when pictures are added.
"""

import dataclasses
import hashlib
from collections.abc import Collection, Iterable, Sequence

from ugatit_tf.data.preparation.copies import Copies
from ugatit_tf.data.preparation.survey import Picture

LEAST_TESTED = 12  # fewer pictures say little about a network
_ENOUGH = 4 * LEAST_TESTED  # of fewer pictures, training needs nearly all


@dataclasses.dataclass(frozen=True)
class Choice:
    """The decision on a picture; exactly one attribute is set.

    Attributes:
        split: "train" or "test".
        copy_of: the number of the picture that is kept instead: the copy whose square has the most pixels.
    """

    split: str = ""
    copy_of: int | None = None


def choose(
    pictures: Sequence[Picture],
    copies: Copies,
    *,
    seed: int,
    share: float,
    most: int,
    trained: Collection[str] = (),
) -> list[Choice]:
    """Drops copies, and chooses pictures for testing.

    A file is drawn for testing by a hash of its content and the seed. A picture is for testing if all files are drawn
    that show it or may show it. So the order of the pictures does not matter, and more pictures, even copies of others,
    never move one from training to testing. Of 48 pictures or more at least 12 are for testing, without those that an
    earlier run has put among the training pictures.

    Args:
        pictures: the pictures that can be used.
        copies: their copies; a picture without a larger copy is kept.
        seed: the seed of the draw.
        share: the approximate share of files to draw. At least one file is drawn of two or more, unless it is 0.
        most: the largest number of files to draw.
        trained: the keys of pictures that an earlier run has put among the training pictures.
    """
    draws = {picture.digest: _draw(picture.digest, seed) for picture in pictures}
    low = sum(draw < share for draw in draws.values())
    count = min(most, max(low, 1)) if share and len(draws) > 1 else 0
    drawn = set(sorted(draws, key=draws.__getitem__)[:count])
    groups = _groups(len(pictures), copies)
    testing = [group for group in groups if all(pictures[number].digest in drawn for number in group)]
    kept = sum(original is None for original in copies.of)
    least = min(LEAST_TESTED, most) if share and kept >= _ENOUGH else 0
    others = (group for group in groups if not any(pictures[number].key in trained for number in group))
    for group in sorted(others, key=lambda group: max(draws[pictures[number].digest] for number in group)):
        if sum(copies.of[number] is None for some in testing for number in some) >= least:
            break
        if group not in testing:
            testing.append(group)
    tested = {number for group in testing for number in group}
    return [
        Choice("test" if number in tested else "train") if original is None else Choice(copy_of=original)
        for number, original in enumerate(copies.of)
    ]


def _groups(count: int, copies: Copies) -> list[list[int]]:
    """Returns the numbers of all pictures in groups of those that show or may show the same."""
    first = list(range(count))

    def find(number: int) -> int:
        while first[number] != number:
            first[number] = number = first[first[number]]
        return number

    links: Iterable[tuple[int, int]] = [
        (original, number) for number, original in enumerate(copies.of) if original is not None
    ]
    for a, b in (*links, *copies.alike):
        first[find(b)] = find(a)
    groups: dict[int, list[int]] = {}
    for number in range(count):
        groups.setdefault(find(number), []).append(number)
    return list(groups.values())


def _draw(digest: str, seed: int) -> float:
    """Returns a number from 0 to 1 that depends on a file's content and the seed."""
    return int(hashlib.sha256(f"{seed} {digest}".encode()).hexdigest()[:13], 16) / 16**13
