"""Outcome of a preparation: what became of each picture."""

import dataclasses
from collections import Counter

from ugatit_tf.data.preparation.survey import Picture


@dataclasses.dataclass(frozen=True)
class Kept:
    """A picture that the dataset has.

    Attributes:
        picture: what was found out about it.
        file: its square, relative to the dataset, such as "trainA/NAME-KEY.png".
    """

    picture: Picture
    file: str


@dataclasses.dataclass(frozen=True)
class Dropped:
    """A picture that the dataset does not have.

    Attributes:
        picture: what was found out about it.
        reason: a few words, the same for all of a kind.
        detail: more of that, or "".
        instead: the path of the picture that was kept in its place, or "".
    """

    picture: Picture
    reason: str
    detail: str = ""
    instead: str = ""


@dataclasses.dataclass(frozen=True)
class Domain:
    """One of the two domains.

    Attributes:
        folder: where its pictures come from.
        other_files: how many files there are hidden or no pictures.
        kept: those that the dataset has, in order.
        dropped: those that it does not have, in order.
    """

    folder: str
    other_files: int
    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]

    @property
    def found(self) -> int:
        """How many pictures the folder has."""
        return len(self.kept) + len(self.dropped)

    @property
    def reasons(self) -> dict[str, int]:
        """How many were dropped, by reason, the commonest first."""
        return dict(Counter(dropped.reason for dropped in self.dropped).most_common())

    def split(self, name: str) -> list[Kept]:
        """Those kept for "train" or "test"."""
        return [kept for kept in self.kept if kept.file.startswith(name)]
