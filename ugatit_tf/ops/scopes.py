"""Settings that hold inside a `with` block."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TypeVar

_Value = TypeVar("_Value")


@contextlib.contextmanager
def setting(variable: ContextVar[_Value], value: _Value) -> Iterator[None]:
    """Sets a context variable inside the block, for this thread only.

    It must be for one thread: a distribution strategy runs each replica in a thread of its own.
    """
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
