"""Choice of a run: by its name, or by the flags that were given. Needs no TensorFlow."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ugatit_tf.checkpoints.folder import RunFolder, runs_in
from ugatit_tf.config import IDENTITY, Config
from ugatit_tf.errors import RunError, UsageError

_SHOWN = 10


def named(given: Mapping[str, Any]) -> Config:
    """The configuration of the run that `run` names, with what else is given in place of what it was trained with.

    Args:
        given: options of `Config`; `run` is a run's folder, or its name under `checkpoint_dir`.

    Raises:
        RunError: where there is no such run, naming those that there are, or nothing tells what it is.
        UsageError: where an option contradicts what the run is.
    """
    run, root = given["run"], Path(given.get("checkpoint_dir", Config.checkpoint_dir))
    folder = next((folder for folder in map(RunFolder, (Path(run), root / run)) if folder.exists), None)
    if folder is None:
        raise RunError(f"--run {run}: no run is there, nor in {root / run}. {others(root)}")
    saved = folder.config()
    if saved is None:
        raise RunError(f"--run {run}: {folder.path} has no config.json that tells what it is; give its flags instead.")
    contradictions = _contradictions(given, saved)
    if contradictions:
        raise UsageError(f"--run {run}: {'; '.join(contradictions)}. Leave these flags out, or name another run.")
    return _with(saved, given, folder)


def fitting(given: Mapping[str, Any], config: Config) -> tuple[Config, str]:
    """The run that some options mean: the one that they name, or else the only one that fits all of them.

    Args:
        given: options of `Config`.
        config: the same, the others at their defaults.

    Returns:
        The run's configuration, with what is given in place of what it was trained with; and, where the options did
        not name it, a line that does. `config` itself where no run fits.

    Raises:
        RunError: where several fit, naming them.
    """
    folder = RunFolder(config.run_checkpoint_dir)
    if folder.exists:
        saved = folder.readable_config()
        return (_with(saved, given, folder) if saved and not _contradictions(given, saved) else config), ""
    readable = [(run, saved) for run in runs_in(Path(config.checkpoint_dir)) if (saved := run.readable_config())]
    found = [(run, saved) for run, saved in readable if not _contradictions(given, saved)]
    if not found:
        return config, ""
    if len(found) > 1:
        names = _listed([run.path.name for run, _ in found])
        raise RunError(f"Several runs in {config.checkpoint_dir} fit: give one as --run, of {names}.")
    run, saved = found[0]
    return _with(saved, given, run), f"Run: {run.path}, the only one that fits the flags."


def others(root: Path) -> str:
    """What runs there are in a folder, as a sentence."""
    names = [run.path.name for run in runs_in(root)]
    return f"There are {_listed(names)}." if names else f"There is none in {root} at all."


def _contradictions(given: Mapping[str, Any], saved: Config) -> list[str]:
    """What is given otherwise than it is for a run, of what makes that run; a light network takes any size."""
    fixed = IDENTITY - ({"img_size"} if saved.light else set())
    return [
        f"--{name} is {value} but it was trained with {getattr(saved, name)}"
        for name, value in given.items()
        if name in fixed and value != getattr(saved, name)
    ]


def _with(saved: Config, given: Mapping[str, Any], folder: RunFolder) -> Config:
    config = dataclasses.replace(saved, **{**given, "checkpoint_dir": str(folder.path.parent), "run": ""})
    if config.model_dir != folder.path.name:  # it was renamed, or is tested at another size
        config = dataclasses.replace(config, run=folder.path.name)
    config.validate()
    return config


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
