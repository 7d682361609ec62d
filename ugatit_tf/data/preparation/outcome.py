"""The records of a preparation: which pictures a dataset has, and why it does not have the others."""

import dataclasses
from collections import Counter

from ugatit_tf.data.preparation.survey import Picture


@dataclasses.dataclass(frozen=True)
class Kept:
    """A picture that the dataset has.

    Attributes:
        picture: the surveyed picture.
        file: the path of its square in the dataset, such as "trainA/NAME-KEY.png".
    """

    picture: Picture
    file: str


@dataclasses.dataclass(frozen=True)
class Dropped:
    """A picture that the dataset does not have.

    Attributes:
        picture: the surveyed picture.
        reason: the kind of reason, such as "too small".
        detail: the details of the reason, or "".
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
        folder: the folder of its pictures.
        other_files: the number of hidden files and of files that are no pictures.
        kept: the pictures that the dataset has, in order.
        dropped: the pictures that the dataset does not have, in order.
    """

    folder: str
    other_files: int
    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]

    @property
    def found(self) -> int:
        """The number of pictures in the folder."""
        return len(self.kept) + len(self.dropped)

    @property
    def reasons(self) -> dict[str, int]:
        """The number of dropped pictures by reason, the most frequent first."""
        return dict(Counter(dropped.reason for dropped in self.dropped).most_common())

    def split(self, name: str) -> list[Kept]:
        """Returns the pictures kept for a split, "train" or "test"."""
        return [kept for kept in self.kept if kept.file.startswith(name)]
