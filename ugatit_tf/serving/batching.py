"""Requests that arrive together, computed together."""

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
    """Calls a slow function in one thread, with all that has come in for the same key while it was busy.

    Args:
        function: a key and items to as many results.
        size: the most items of a call.
    """

    def __init__(self, function: Callable[[Any, list], Sequence], size: int) -> None:
        self._function = function
        self._size = size
        self._jobs: deque[_Job] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._worker: asyncio.Task | None = None

    async def __call__(self, key: Hashable, item: Any) -> Any:
        """The result for one item; whoever stops waiting for it before its turn takes it out of the queue."""
        job = _Job(key, item, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await job.result

    async def _work(self) -> None:
        while batch := self._next():
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

    def _next(self) -> list[_Job]:
        """The first job that somebody waits for, and those behind it with the same key, in their order."""
        waiting = [job for job in self._jobs if not job.result.done()]
        batch = [job for job in waiting if job.key == waiting[0].key][: self._size]
        taken = set(map(id, batch))
        self._jobs = deque(job for job in waiting if id(job) not in taken)
        return batch
