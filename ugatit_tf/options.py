"""How a knob of a configuration is declared: its default, what it is for, and what its values have to satisfy."""

import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Constraint:
    """What a value has to satisfy, and how to say so: "must be {text}"."""

    text: str
    holds: Callable[[Any], bool]


def at_least(minimum: float) -> Constraint:
    """A number with a lower bound."""
    return Constraint(f"at least {minimum}", lambda value: value >= minimum)


def one_of(choices: tuple) -> Constraint:
    """One of some values."""
    return Constraint(f"one of {', '.join(map(str, choices))}", lambda value: value in choices)


def unset_or_one_of(choices: tuple[str, ...]) -> Constraint:
    """One of some texts, or none."""
    return Constraint(f"one of {', '.join(choices)}", lambda value: value in ("", *choices))


def some_of(choices: tuple[str, ...]) -> Constraint:
    """A list of some texts, as `split_commas` takes apart."""
    return Constraint(
        f"one or more of {', '.join(choices)}, separated by commas",
        lambda value: set(split_commas(value)) <= set(choices),
    )


def unset_or_some_of(choices: tuple[str, ...]) -> Constraint:
    """As `some_of`, or nothing."""
    some = some_of(choices)
    return Constraint(some.text, lambda value: not value or some.holds(value))


def split_commas(value: str) -> list[str]:
    """The parts of a text between its commas."""
    return [part.strip() for part in value.split(",")]


POSITIVE = Constraint("more than 0", lambda value: value > 0)
SHARE = Constraint("at least 0 and less than 1", lambda value: 0 <= value < 1)
NOT_EMPTY = Constraint("not empty", lambda value: bool(value.strip()))
_BOOLEAN = Constraint("true or false", lambda value: value in (True, False))
_TEXT = Constraint("any text", lambda _: True)


def knob(default: Any, doc: str, constraint: Constraint | None = None, *, architecture: bool = False) -> Any:
    """A dataclass's field for a knob.

    Args:
        default: its value where none is given.
        doc: what it is for, as the help says it.
        constraint: None: any text or boolean.
        architecture: whether another value makes another network.
    """
    constraint = constraint or (_BOOLEAN if isinstance(default, bool) else _TEXT)
    metadata = {"help": doc, "constraint": constraint, "architecture": architecture}
    return dataclasses.field(default=default, metadata=metadata)
