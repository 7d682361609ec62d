import asyncio
import threading

import pytest

from ugatit_tf.serving.batching import Batcher


class Doubling:
    """A slow function that notes its calls, and waits in each until it is let go."""

    def __init__(self):
        self.calls = []
        self.go = threading.Semaphore(0)

    def __call__(self, key, items):
        self.calls.append((key, items))
        assert self.go.acquire(timeout=60)
        if key == "bad":
            raise ValueError("bad key")
        return [2 * item for item in items]


async def called(function, count):
    """Waits until the function has been called so often."""
    while len(function.calls) < count:
        await asyncio.sleep(0.001)


def run(scenario, size=3):
    function = Doubling()

    async def main():
        async with asyncio.timeout(60):
            return await scenario(Batcher(function, size), function)

    return asyncio.run(main()), function.calls


def test_what_comes_while_it_is_busy_is_computed_together():
    async def scenario(batcher, function):
        first = asyncio.create_task(batcher("a", 1))
        await called(function, 1)
        others = [asyncio.create_task(batcher(key, item)) for key, item in zip("aabaa", range(10, 60, 10), strict=True)]
        await asyncio.sleep(0)
        for _ in range(4):
            function.go.release()
        return await asyncio.gather(first, *others)

    results, calls = run(scenario)
    assert results == [2, 20, 40, 60, 80, 100]
    assert calls == [("a", [1]), ("a", [10, 20, 40]), ("b", [30]), ("a", [50])]


def test_an_error_reaches_all_of_its_batch_and_no_other():
    async def scenario(batcher, function):
        for _ in range(2):
            function.go.release()
        tasks = [asyncio.create_task(batcher(key, 1)) for key in ("bad", "bad", "good")]
        return await asyncio.gather(*tasks, return_exceptions=True)

    results, _ = run(scenario)
    assert [str(result) for result in results] == ["bad key", "bad key", "2"]


def test_what_nobody_waits_for_any_more_is_not_computed():
    async def scenario(batcher, function):
        first = asyncio.create_task(batcher("a", 1))
        await called(function, 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(batcher("a", 2), 0.01)
        last = asyncio.create_task(batcher("a", 3))
        await asyncio.sleep(0)
        for _ in range(2):
            function.go.release()
        return await asyncio.gather(first, last)

    results, calls = run(scenario)
    assert results == [2, 6]
    assert calls == [("a", [1]), ("a", [3])]
