import threading

import pytest

from ugatit_tf.data import parallel
from ugatit_tf.system import share

AHEAD = 2 * share.cores() + 1


def test_results_come_in_order_from_several_threads():
    first_may_end = threading.Event()

    def work(item):
        if item == 0:
            assert first_may_end.wait(20)
        if item == 1:
            first_may_end.set()  # so that item 1 must run while item 0 does
        return item * item

    if share.cores() < 2:
        first_may_end.set()
    assert list(parallel.in_order(work, range(50))) == [n * n for n in range(50)]


def test_few_items_are_taken_ahead_of_what_is_used():
    taken = []

    def items():
        for item in range(1000):
            taken.append(item)
            yield item

    results = parallel.in_order(lambda item: item, items())
    for used in range(1, 100):
        next(results)
        assert len(taken) <= used + AHEAD
    results.close()
    assert len(taken) < 150


def test_a_failure_comes_in_its_turn():
    def work(item):
        if item == 3:
            raise KeyError(item)
        return item

    results = parallel.in_order(work, range(1000))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError):
        next(results)


def test_stopping_early_drops_what_has_not_begun():
    begun, release = [], threading.Event()

    def work(item):
        begun.append(item)
        assert item == 0 or release.wait(20)

    results = parallel.in_order(work, range(1000))
    next(results)
    threading.Timer(0.5, release.set).start()  # what has begun ends only after the stop
    results.close()
    assert len(begun) <= 1 + share.cores()


def test_nothing_gives_nothing():
    assert list(parallel.in_order(str, [])) == []


def test_batches_are_made_as_they_are_needed():
    taken = []
    batches = parallel.in_batches((taken.append(item) or item for item in range(7)), 3)
    assert next(batches) == [0, 1, 2] == taken
    assert list(batches) == [[3, 4, 5], [6]]
    assert list(parallel.in_batches([], 3)) == []
