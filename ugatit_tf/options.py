"""Declaration of options: default, description, and the constraint on the value."""

import contextlib
import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from ugatit_tf.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Constraint:
    """What a value has to satisfy, and how to say so: "must be {text}"."""

    text: str
    holds: Callable[[Any], bool]


def at_least(minimum: float) -> Constraint:
    """A number with a lower bound."""
    return Constraint(f"at least {minimum}", lambda value: value >= minimum)


def between(minimum: int, maximum: int) -> Constraint:
    """A number with a lower and an upper bound, both allowed."""
    return Constraint(f"from {minimum} to {maximum}", lambda value: minimum <= value <= maximum)


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
_ADDRESS = re.compile(r"\w\w+:")  # one letter and a colon are a drive of Windows
_THREADS = re.compile(r"[1-9]\d{0,3}x[1-9]\d{0,3}")
_BOOLEAN = Constraint("true or false", lambda value: value in (True, False))
_TEXT = Constraint("any text", lambda _: True)


def option(
    default: Any, doc: str, constraint: Constraint | None = None, *, group: str = "", is_path: bool = False
) -> Any:
    """Makes a dataclass's field for an option.

    Args:
        default: its value if it is not given.
        doc: its help text.
        constraint: None: any text or boolean.
        group: the heading under which the help lists it.
        is_path: whether it is a path, which `tidy_path` then tidies.
    """
    constraint = constraint or (_BOOLEAN if isinstance(default, bool) else _TEXT)
    metadata = {"help": doc, "constraint": constraint, "group": group, "is_path": is_path}
    return dataclasses.field(default=default, metadata=metadata)


def path_option(default: str, doc: str, constraint: Constraint | None = None, *, group: str = "") -> Any:
    """Makes the field of an option that is a path; for the arguments see `option`."""
    return option(default, doc, constraint, group=group, is_path=True)


def tidy_path(text: str) -> str:
    """Returns a path as one text per place: `mine/` and `./mine` become `mine`, and `~` the home folder.

    A shell expands `~` in `--flag ~/x`, but not in `--flag=~/x`; it completes `mine` to `mine/`. Addresses such as
    `hf://USER/NAME` stay as they are.
    """
    if not text.strip() or _ADDRESS.match(text):
        return text
    path = Path(text)
    with contextlib.suppress(RuntimeError):  # ~NAME of nobody is a folder of that name
        path = path.expanduser()
    return str(path)


class OptionSet:
    """A base of frozen dataclasses whose fields are made by `option`."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is float and type(value) is int:
                object.__setattr__(self, field.name, float(value))
            elif field.metadata["is_path"] and isinstance(value, str):
                object.__setattr__(self, field.name, tidy_path(value))

    def validate_values(self) -> None:
        """Checks every value on its own.

        Raises:
            UsageError: naming the option, its value and what it must be.
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
    """A base of each phase's `Options`: what that phase takes beside the options of the run.

    Attributes:
        of_config: the fields of `Config` that the phase reads; None: all of them, as it is about a run.
        needs_run: whether that run has to be there already.
    """

    of_config: ClassVar[frozenset[str] | None] = None
    needs_run: ClassVar[bool] = False

    def validate(self, config: Any) -> None:
        """Checks every value, and the values against each other and the run's.

        Args:
            config: the run's `Config`.

        Raises:
            UsageError: naming the option, its value and what it must be.
        """
        del config
        self.validate_values()


def threads_option() -> Any:
    """The field of phases whose time is that of a network's operations."""
    return option(
        "",
        "How many operations run at a time, and on how many cores each; by default, the fastest that fits into memory",
        Constraint("such as 2x1", lambda value: not value or bool(_THREADS.fullmatch(value))),
    )


def image_format() -> Any:
    """The field of phases that write pictures."""
    return option(
        "png", "Format of the pictures; jpeg has high quality and makes smaller files", one_of(("png", "jpeg"))
    )


NEWEST, BEST = "newest", "best"  # of a run's checkpoints
RESIZES = ("clean", "legacy")


def checkpoint_option() -> Any:
    """The field of phases that read one of a run's checkpoints."""
    return option(
        NEWEST,
        "Which of the run's checkpoints to use: newest, best (see --keep_best), or the number of a step",
        Constraint("newest, best or a step", lambda value: value in (NEWEST, BEST) or value.isdecimal()),
    )


def model_option() -> Any:
    """The field of phases that take a network from elsewhere."""
    return path_option(
        "",
        "Network to use instead of a run's: a .keras file, a SavedModel, a checkpoint's folder, or hf://USER/NAME on "
        "the Hugging Face Hub",
    )


def features_option() -> Any:
    """The field of phases that need a feature network: where it is."""
    return path_option(
        "", "Path of the feature network for FID and KID: a frozen graph, an archive that holds one, or a SavedModel"
    )


def features_output_option() -> Any:
    """The field of phases that need a feature network: which of its outputs."""
    return option("pool_3", "Name of the feature network's output", NOT_EMPTY)


def resize_option() -> Any:
    """The field of phases that need a feature network: what it gets to see."""
    return option(
        "clean",
        "How images are resized for the feature network: clean as clean-fid does, legacy as the first FID code did",
        one_of(RESIZES),
    )


def check_image_format(image_format: str, channels: int) -> None:
    """Raises a UsageError where pictures of so many channels cannot be written in a format."""
    if image_format == "jpeg" and channels == 4:
        raise UsageError("--image_format jpeg: cannot hold the transparency of --img_ch 4.")
