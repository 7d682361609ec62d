"""Runs a function over many files by threads, and makes batches, with few results in memory."""

import itertools
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ugatit_tf.system import share

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> Iterator[Result]:
    """Yields `function(item)` for each item in order; threads compute ahead of the caller.

    The number of threads is the number of this process's cores, at most `threads`. The threads compute at most twice
    as many results ahead, and take items from the iterable only then. An exception of `function` is raised at its
    item's turn. If the caller stops early, calls that have begun still run to their end.
    """
    count = min(share.cores(), threads or sys.maxsize)
    ahead: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > 2 * count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yields the items in order, in lists of `size`; the last list may be shorter."""
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch
