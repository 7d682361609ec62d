"""Reads single records of TFRecord files by index. TFDS offers that for its other formats only.

A TFRecord file has no index: the start of a record is known once the lengths of all records before it are read.
"""

import bisect
import itertools
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

# Each record is its length (8 bytes), a checksum of that (4), its bytes, and a checksum of those (4).
_LENGTH = struct.Struct("<Q4x")
_OVERHEAD = _LENGTH.size + 4


class Part(NamedTuple):
    """A part of a file: `count` records, from record number `first` on. `path` is one of pathlib or etils."""

    path: Any
    first: int
    count: int


class Records:
    """The records of parts of TFRecord files, one part after the other.

    The first request for a record of a file reads where the file's records begin. So a dataset of any size opens at
    once, and takes eight bytes of memory a record.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)
        self._ends = list(itertools.accumulate(part.count for part in parts))
        self._starts: dict[Any, np.ndarray] = {}

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> bytes:
        """Returns a record's bytes.

        Raises:
            OSError: The file cannot be read.
            EOFError: The file ends before the record does.
        """
        number = bisect.bisect_right(self._ends, index)
        path, first, count = self._parts[number]
        starts = self._starts.get(path)
        with path.open("rb") as file:
            if starts is None:
                starts = self._starts[path] = _starts(file)
            position = first + index - (self._ends[number] - count)
            if position >= len(starts):
                raise EOFError(f"{path.name} has {len(starts)} records")
            file.seek(int(starts[position]))
            (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
            return file.read(length)


def _starts(file: Any) -> np.ndarray:
    """Returns the position at which each complete record of a file begins, int64 `[N]`."""
    size = file.seek(0, 2)
    starts = []
    start = 0
    while start + _OVERHEAD <= size:
        file.seek(start)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        if start + length + _OVERHEAD > size:
            break
        starts.append(start)
        start += length + _OVERHEAD
    return np.array(starts, np.int64)
