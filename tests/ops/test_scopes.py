import contextlib
import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import pytest
import tensorflow as tf

from ugatit_tf.ops.cpu import cpu_kernels, uses_cpu_kernels
from ugatit_tf.ops.large_dense import LargeDense, recorded_calls
from ugatit_tf.ops.precision import compute_dtype, current_compute_dtype
from ugatit_tf.ops.scopes import setting

TURNS = 30  # seconds that a thread waits for its turn


def interleaved(one, other):
    """Runs two functions in threads of their own; each gets a `turn()` to call, at which the other goes on."""
    barrier = threading.Barrier(2, timeout=TURNS)

    def run(function):
        try:
            return function(barrier.wait)
        except BaseException:
            barrier.abort()
            raise

    with ThreadPoolExecutor(2) as pool:
        return [future.result() for future in [pool.submit(run, function) for function in (one, other)]]


def test_a_block_sets_a_value_until_it_ends():
    variable = ContextVar("variable", default=0)
    with setting(variable, 1):
        with pytest.raises(KeyError), setting(variable, 2):
            assert variable.get() == 2
            raise KeyError
        assert variable.get() == 1
    assert variable.get() == 0


# The block of one thread, that of another, and how to read what they set.
SCOPES = {
    "compute dtype": (lambda: compute_dtype("bfloat16"), lambda: compute_dtype("float16"), current_compute_dtype),
    "CPU kernels": (cpu_kernels, contextlib.nullcontext, uses_cpu_kernels),
}


@pytest.mark.parametrize(("one", "other", "read"), SCOPES.values(), ids=SCOPES)
def test_threads_do_not_see_each_others_blocks(one, other, read, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])

    def enter_first(turn):
        with one():
            turn()  # the other enters
            turn()
            inside = read()
            turn()  # both have read
        outside = read()
        turn()  # the other may leave
        return inside, outside

    def leave_last(turn):
        turn()
        with other():
            turn()
            inside = read()
            turn()
            turn()  # the first has left
            still_inside = read()
        return inside, still_inside, read()

    outside = read()
    with one():
        of_one = read()
    with other():
        of_other = read()
    assert of_one != of_other
    assert interleaved(enter_first, leave_last) == [(of_one, outside), (of_other, of_other, outside)]


def test_threads_record_their_own_calls():
    layer = LargeDense(1)
    layer.build((None, 1))

    def record(value, turn):
        with recorded_calls() as calls:
            turn()
            layer(tf.constant([[value]]))
            turn()
        return [call.inputs.numpy().item() for call in calls]

    assert interleaved(*(functools.partial(record, value) for value in (1.0, 2.0))) == [[1.0], [2.0]]


def test_a_recording_holds_those_inside_it():
    layer = LargeDense(1)
    layer.build((None, 1))
    with recorded_calls() as outer:
        layer(tf.ones((1, 1)))
        with recorded_calls() as inner:
            layer(tf.ones((2, 1)))
    layer(tf.ones((3, 1)))
    assert [[len(call.inputs) for call in calls] for calls in (outer, inner)] == [[1, 2], [2]]
