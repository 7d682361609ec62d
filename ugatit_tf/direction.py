"""The two directions of translation."""

import enum
from typing import Self


class Direction(enum.StrEnum):
    """A direction of translation.

    A direction is also its label, "A2B" or "B2A", as flags, folders and JSON files have it.

    >>> Direction("A2B").source, Direction("A2B").target
    ('A', 'B')
    >>> f"export/{Direction.A2B}"
    'export/A2B'
    """

    A2B = "A2B"
    B2A = "B2A"

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"direction must be one of {', '.join(cls)}, not {value!r}")

    @property
    def source(self) -> str:
        """The domain of the images that are translated, "A" or "B"."""
        return self.value[0]

    @property
    def target(self) -> str:
        """The domain of the translations. The generator of a direction is named after it."""
        return self.value[-1]

    @property
    def reverse(self) -> Self:
        """The other direction."""
        return type(self)(f"{self.target}2{self.source}")

    @property
    def arrow(self) -> str:
        """The direction in pages, "A → B" or "B → A"."""
        return f"{self.source} → {self.target}"
