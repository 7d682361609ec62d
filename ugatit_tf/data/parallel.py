"""Threads and batches over many files, with few of them in memory."""

import itertools
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Iterable[Item], threads: int | None = None) -> Iterator[Result]:
    """Yields `function(item)` for each item, in their order, worked out ahead by threads.

    There are as many threads as cores, or `threads` where that is less. Items are taken as they are needed, so that
    neither they nor the results add up. What `function` raises is raised here, in its turn. Work that has begun is
    finished when the caller stops early.
    """
    count = min(os.cpu_count() or 1, threads or sys.maxsize)
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
    """The items in lists of `size`, in their order, the last of which may be shorter; taken as they are needed."""
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch
