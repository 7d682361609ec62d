"""Settings that a `with` block makes for the code inside it."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TypeVar

_Value = TypeVar("_Value")


@contextlib.contextmanager
def setting(variable: ContextVar[_Value], value: _Value) -> Iterator[None]:
    """Gives a context variable a value inside the block, in this thread alone: a strategy's replicas run in threads."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
