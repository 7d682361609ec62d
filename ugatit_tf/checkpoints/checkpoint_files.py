"""The files of a run's checkpoints: which is the newest sound one, and which may go."""

import logging
import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from ugatit_tf.checkpoints.bundle import Bundle, DamagedError, state_text
from ugatit_tf.checkpoints.names import listed, step_in_name
from ugatit_tf.errors import RunError
from ugatit_tf.system import files
from ugatit_tf.system.files import write_atomically

_log = logging.getLogger(__name__)

_PART = re.compile(r"(?P<prefix>.+\.model-(?P<step>\d+))\.(index|data-\d{5}-of-\d{5})")
# What a killed save leaves where TensorFlow was left to write into place, as in earlier versions.
_LEFTOVERS = (r".+\.model-\d+_temp", r".+\.index\.tempstate\d+", r"checkpoint\.tmp[0-9a-f]+")


class Found(NamedTuple):
    """The checkpoint of a run to go on from.

    Attributes:
        prefix: its path without `.index`; None where there is no checkpoint at all.
        damaged: the prefixes of those that are newer.
    """

    prefix: Path | None
    damaged: tuple[Path, ...]


def newest_sound(folder: Path, model_name: str, networks: Collection[str] | None = None) -> Found:
    """Looks for the newest checkpoint that is what was written; those that are not are named in the log.

    Args:
        folder: where to look.
        model_name: "UGATIT" or "UGATIT_light".
        networks: those that are needed, such as "generator_A": the rest is not read; None: all that there is.

    Raises:
        RunError: where there are checkpoints, and all of them are damaged.
    """
    damaged: dict[Path, DamagedError] = {}
    for prefix in listed(folder, model_name):
        try:
            verify(prefix, networks)
        except DamagedError as error:
            damaged[prefix] = error
            continue
        for error in damaged.values():
            _log.warning("Skipping a checkpoint: %s Taking the one before it.", error)
        return Found(prefix, tuple(damaged))
    if damaged:
        raise RunError(
            f"{folder} has no sound checkpoint: {' '.join(map(str, damaged.values()))} Nothing was changed: bring a "
            "copy back, or move the damaged ones away to start anew."
        )
    return Found(None, ())


def verify(prefix: Path, networks: Collection[str] | None = None) -> None:
    """Compares a checkpoint with its checksums, holding one variable at a time in memory.

    Args:
        prefix: the checkpoint's path without `.index`.
        networks: as for `newest_sound`.

    Raises:
        DamagedError: saying what is wrong.
    """
    bundle = Bundle(prefix)
    if networks is None:
        bundle.verify()
    else:
        starts = tuple(_key_start(f"{network}/") for network in networks)
        bundle.verify(name for name in bundle.shapes if name.startswith(starts))


def rotate(folder: Path, model_name: str, step: int, keep: int, damaged: Collection[Path]) -> None:
    """Deletes the oldest checkpoints, now that a new one is whole, and names the others in the state file.

    Args:
        folder: where they lie.
        model_name: "UGATIT" or "UGATIT_light".
        step: of the new one. Later ones are left alone, and do not count.
        keep: how many to keep.
        damaged: earlier ones that are to go first.

    Raises:
        RunError: where the state file cannot be written. A file that cannot be deleted is named in the log.
    """
    kept = [prefix for prefix in listed(folder, model_name) if step_in_name(prefix) <= step and prefix not in damaged]
    kept = kept[:keep]
    write_atomically(folder / "checkpoint", state_text([prefix.name for prefix in reversed(kept)]).encode())
    # An index goes before its data: without it, the rest is no checkpoint. What an earlier, killed deletion has left
    # goes too.
    for path in sorted(folder.glob(f"{model_name}.model-*"), key=lambda path: path.suffix != ".index"):
        part = _PART.fullmatch(path.name)
        if part and (int(part["step"]) < step_in_name(kept[-1]) or folder / part["prefix"] in damaged):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("Cannot delete %s: %s", path, error.strerror)


def clear_leftovers(folder: Path) -> None:
    """Deletes what a killed save has left in a folder in which no other run saves now."""
    files.clear_leftovers(folder, *_LEFTOVERS)


def key(path: str) -> str:
    """The name in a checkpoint of the variable that has this path."""
    return f"{_key_start(path)}/.ATTRIBUTES/VARIABLE_VALUE"


def _key_start(path: str) -> str:
    return f"variables/{path.replace('.', '..').replace('/', '.S')}"
