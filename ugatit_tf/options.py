"""Declares options, each with its default value, its help text and the constraint on its value."""

import contextlib
import dataclasses
import functools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ugatit_tf.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Constraint:
    """A condition on a value, and its text for the message "must be {text}"."""

    text: str
    holds: Callable[[Any], bool]


def at_least(minimum: float) -> Constraint:
    """Returns the constraint on a number that is `minimum` or more."""
    return Constraint(f"at least {minimum}", lambda value: value >= minimum)


def between(minimum: int, maximum: int) -> Constraint:
    """Returns the constraint on a number from `minimum` to `maximum`, both of which are allowed."""
    return Constraint(f"from {minimum} to {maximum}", lambda value: minimum <= value <= maximum)


def one_of(choices: tuple) -> Constraint:
    """Returns the constraint on a value that is one of `choices`."""
    return Constraint(f"one of {', '.join(map(str, choices))}", lambda value: value in choices)


def some_of(choices: tuple[str, ...]) -> Constraint:
    """Returns the constraint on a text that holds one or more of `choices`, separated by commas."""
    return Constraint(
        f"one or more of {', '.join(choices)}, separated by commas",
        lambda value: set(split_commas(value)) <= set(choices),
    )


def unset_or(constraint: Constraint) -> Constraint:
    """Returns the constraint on a text that is empty, or that another constraint allows."""
    return Constraint(constraint.text, lambda value: not value or constraint.holds(value))


def split_commas(value: str) -> list[str]:
    """Returns the parts of a text between its commas."""
    return [part.strip() for part in value.split(",")]


POSITIVE = Constraint("more than 0", lambda value: value > 0)
SHARE = Constraint("at least 0 and less than 1", lambda value: 0 <= value < 1)
NOT_EMPTY = Constraint("not empty", lambda value: bool(value.strip()))
_ADDRESS = re.compile(r"\w\w+:")  # two letters or more: one letter and a colon name a drive of Windows
_THREADS = re.compile(r"[1-9]\d{0,3}x[1-9]\d{0,3}")
_BOOLEAN = Constraint("true or false", lambda value: value in (True, False))
_TEXT = Constraint("any text", lambda _: True)


def option(
    default: Any, doc: str, constraint: Constraint | None = None, *, group: str = "", is_path: bool = False
) -> Any:
    """Returns the dataclass field of an option.

    Args:
        default: the value if the flag is not given.
        doc: the help text.
        constraint: the constraint on the value; None: any text or boolean.
        group: the heading under which the help lists it.
        is_path: whether the value is a path, to be normalized by `tidy_path`.
    """
    constraint = constraint or (_BOOLEAN if isinstance(default, bool) else _TEXT)
    metadata = {"help": doc, "constraint": constraint, "group": group, "is_path": is_path}
    return dataclasses.field(default=default, metadata=metadata)


path_option = functools.partial(option, is_path=True)


def tidy_path(text: str) -> str:
    """Returns a path in its shortest spelling: `mine/` and `./mine` become `mine`, and `~` becomes the home folder.

    A shell expands `~` in `--flag ~/x`, but not in `--flag=~/x`; it completes `mine` to `mine/`. Addresses such as
    `hf://USER/NAME` stay as they are.
    """
    if not text.strip() or _ADDRESS.match(text):
        return text
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # no user has that name: then ~NAME is a folder
        path = path.expanduser()
    return str(path)


class OptionSet:
    """The base of frozen dataclasses whose fields come from `option`."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif field.metadata["is_path"] and isinstance(value, str):
                object.__setattr__(self, field.name, tidy_path(value))

    def validate_values(self) -> None:
        """Checks each value against the type and the constraint of its option.

        Raises:
            UsageError: A value is not allowed. The message names the option, the value and the constraint.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            constraint: Constraint = field.metadata["constraint"]
            if type(value) is not field.type:
                raise UsageError(f"--{field.name} {value!r}: must be of type {field.type.__name__}.")
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"--{field.name} {value}: must be a finite number.")
            if not constraint.holds(value):
                raise UsageError(f"--{field.name} {value}: must be {constraint.text}.")


class PhaseOptions(OptionSet):
    """The base of the phases' `Options`, which hold the flags that only one phase takes.

    Attributes:
        of_config: the names of the `Config` fields that the phase reads; None: all of them.
        needs_run: whether the run has to exist already.
        loads_tensorflow: whether the command loads TensorFlow before the phase begins.
    """

    of_config: ClassVar[frozenset[str] | None] = None
    needs_run: ClassVar[bool] = False
    loads_tensorflow: ClassVar[bool] = True

    def validate(self, config: Any) -> None:
        """Checks each value, and its combination with the other values and with the run's.

        Args:
            config: the run's `Config`.

        Raises:
            UsageError: A value or a combination is not allowed. The message names the options.
        """
        del config
        self.validate_values()


NEWEST, BEST = "newest", "best"  # values of --checkpoint
RESIZES = ("clean", "legacy")

# Options that several phases take. Each call returns a new field.
threads_option = functools.partial(
    option,
    "",
    "How many operations run at a time, and on how many cores each; by default, the fastest that fits into memory",
    unset_or(Constraint("such as 2x1", lambda value: bool(_THREADS.fullmatch(value)))),
)
image_format = functools.partial(
    option, "png", "Format of the pictures; jpeg has high quality and makes smaller files", one_of(("png", "jpeg"))
)
checkpoint_option = functools.partial(
    option,
    NEWEST,
    "Which of the run's checkpoints to use: newest, best (see --keep_best), or the number of a step",
    Constraint("newest, best or a step", lambda value: value in (NEWEST, BEST) or value.isdecimal()),
)
model_option = functools.partial(
    path_option,
    "",
    "Network to use instead of a run's: a .keras file, a SavedModel, a checkpoint's folder, or hf://USER/NAME on the "
    "Hugging Face Hub",
)
features_option = functools.partial(
    path_option,
    "",
    "Path of the feature network for FID and KID: a frozen graph, an archive that holds one, or a SavedModel",
)
features_output_option = functools.partial(option, "pool_3", "Name of the feature network's output", NOT_EMPTY)
resize_option = functools.partial(
    option,
    "clean",
    "How images are resized for the feature network: clean as clean-fid does, legacy as the first FID code did",
    one_of(RESIZES),
)


def check_image_format(image_format: str, channels: int) -> None:
    """Raises a UsageError if the format cannot hold pictures of this many channels."""
    if image_format == "jpeg" and channels == 4:
        raise UsageError("--image_format jpeg: cannot hold the transparency of --img_ch 4.")
