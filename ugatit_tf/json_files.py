"""Converts dataclasses and named tuples to JSON and back, and reads JSON files.

Both kinds become objects; other tuples become arrays. JSON has no NaN and no infinity: they become null, and null
becomes NaN where a `float` is expected. Keys that are not fields are ignored: a later version may have written them.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ugatit_tf.errors import RunError, reason

T = TypeVar("T")


def dumps(value: Any, indent: int | None = None) -> bytes:
    """Returns a value as JSON, with a line break at its end."""
    return (json.dumps(plain(value), indent=indent, allow_nan=False) + "\n").encode()


def plain(value: Any) -> Any:
    """Returns a value as dicts, lists, texts, numbers, booleans and None."""
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def loads(data: bytes | str, kind: type[T]) -> T:
    """Returns the value of a JSON text.

    Args:
        data: the text.
        kind: the type of the value, built from dataclasses, named tuples, `list`, `tuple`, `dict`, `Sequence`,
            `Mapping`, `str`, `int`, `float`, `bool`, `None`, `|` and `Any`.

    Raises:
        ValueError: The text is not JSON, or its value has another type.
    """
    try:
        return typed(json.loads(data), kind)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read(path: Path, kind: type[T], advice: str) -> T | None:
    """Reads a JSON file; returns None if it does not exist.

    Args:
        path: the file.
        kind: as for `loads`.
        advice: what the user can do if the file is damaged; the end of the message.

    Raises:
        RunError: The file is damaged or cannot be read.
    """
    try:
        return loads(path.read_bytes(), kind)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise RunError(f"cannot read {path}: {reason(error)}") from error
    except ValueError as error:
        raise RunError(f"{path} is damaged ({error}): {advice}.") from error


def read_if_valid(path: Path, kind: type[T]) -> T | None:
    """Reads a JSON file that is not essential; returns None if it is missing, unreadable or damaged."""
    try:
        return read(path, kind, "")
    except RunError:
        return None


def typed(value: Any, kind: Any) -> Any:
    """Returns a value of `json.loads` as the type `kind`; raises ValueError if it has another type."""
    if typing.get_origin(kind) is types.UnionType:  # from the right: null is None for `float | None`, not NaN
        kind = next((each for each in typing.get_args(kind)[::-1] if _fits(value, each)), kind)
    if kind is float and (value is None or type(value) is int):
        return math.nan if value is None else float(value)
    if kind is Any or type(value) is kind:
        return value
    if isinstance(value, list):
        return _array(value, kind)
    if isinstance(value, dict):
        return _object(value, kind)
    raise _mismatch(value, kind)


def _array(values: list[Any], kind: Any) -> list[Any] | tuple[Any, ...]:
    origin, kinds = typing.get_origin(kind), typing.get_args(kind)
    if origin in (list, Sequence):
        return [typed(value, kinds[0]) for value in values]
    if origin is tuple:
        kinds = kinds[:1] * len(values) if kinds[-1] is ... else kinds
        return tuple(typed(*pair) for pair in zip(values, kinds, strict=True))
    raise _mismatch(values, kind)


def _object(values: dict[str, Any], kind: Any) -> Any:
    if typing.get_origin(kind) in (dict, Mapping):
        return {key: typed(value, typing.get_args(kind)[1]) for key, value in values.items()}
    if dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind)
        try:
            return kind(**{name: typed(values[name], hint) for name, hint in hints.items() if name in values})
        except TypeError as error:
            raise ValueError(f"a field is missing: {error}") from error
    raise _mismatch(values, kind)


def _fits(value: Any, kind: Any) -> bool:
    try:
        typed(value, kind)
    except ValueError:
        return False
    return True


def _mismatch(value: Any, kind: Any) -> ValueError:
    return ValueError(f"{json.dumps(value)[:40]} is not of type {getattr(kind, '__name__', kind)}")
