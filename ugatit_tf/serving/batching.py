"""Computes requests that arrive at the same time together."""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple


class _Job(NamedTuple):
    key: Hashable
    item: Any
    result: asyncio.Future


class Batcher:
    """Calls a slow function in one thread, with all items of one key that arrived while it was busy.

    Args:
        function: takes a key and a list of items, and returns one result per item.
        size: the most items in one call.
    """

    def __init__(self, function: Callable[[Any, list], Sequence], size: int) -> None:
        self._function = function
        self._size = size
        self._jobs: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._worker: asyncio.Task | None = None

    async def __call__(self, key: Hashable, item: Any) -> Any:
        """Returns the result for one item. If the caller is cancelled, the item leaves the queue."""
        job = _Job(key, item, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.result

    async def _work(self) -> None:
        while batch := self._next_batch():
            call = self._function, batch[0].key, [job.item for job in batch]
            try:
                results = await asyncio.get_running_loop().run_in_executor(self._thread, *call)
            except Exception as error:
                for job in batch:
                    if not job.result.done():
                        job.result.set_exception(error)
                continue
            for job, result in zip(batch, results, strict=True):
                if not job.result.done():
                    job.result.set_result(result)

    def _next_batch(self) -> list[_Job]:
        """Removes and returns the first job whose caller still waits, and the next ones with the same key."""
        waiting = [job for job in self._jobs if not job.result.done()]
        batch = [job for job in waiting if job.key == waiting[0].key][: self._size]
        taken = set(map(id, batch))
        self._jobs = deque(job for job in waiting if id(job) not in taken)
        return batch
