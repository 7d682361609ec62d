"""The names of a run's checkpoints: which there are. Takes no TensorFlow to tell."""

import re
from pathlib import Path


def listed(folder: Path, model_name: str = "*") -> list[Path]:
    """The prefixes of a folder's checkpoints, sound or not, the newest first, by the step in their names.

    The folder is looked at, not its `checkpoint` state file: that one may be damaged, and names places that a moved
    folder has left.

    Args:
        folder: where to look.
        model_name: "UGATIT" or "UGATIT_light"; "*": either.
    """
    prefixes = [path.with_suffix("") for path in folder.glob(f"{model_name}.model-*.index")]
    return sorted((prefix for prefix in prefixes if step_in_name(prefix) is not None), key=step_in_name, reverse=True)


def step_in_name(prefix: Path) -> int | None:
    """The completed steps that a checkpoint's name tells, or None where it is named otherwise."""
    match = re.search(r"\.model-(\d+)$", prefix.name)
    return int(match[1]) if match else None
