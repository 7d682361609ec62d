"""Chooses the run that the flags mean: by its name, or by the options that fit. Needs no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ugatit_tf.checkpoints.folder import RunFolder, runs_in
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError, UsageError

_SHOWN = 10


def named(given: Mapping[str, Any]) -> Config:
    """Returns the configuration of the run that `run` names, with its options replaced by the given ones.

    Args:
        given: options of `Config`; `run` is a run's folder, or its name under `checkpoint_dir`.

    Raises:
        RunError: There is no such run, and the message names the runs that exist; or the run has no `config.json`.
        UsageError: A given option contradicts the run.
    """
    run, root = given["run"], Path(given.get("checkpoint_dir", Config.checkpoint_dir))
    folder = next((folder for folder in map(RunFolder, (Path(run), root / run)) if folder.exists), None)
    if folder is None:
        raise RunError(f"--run {run}: there is no such run, nor is there {root / run}. {existing_runs(root)}")
    saved = folder.config()
    if saved is None:
        raise RunError(f"--run {run}: {folder.path} has no config.json; give the flags of the run instead.")
    contradictions = saved.contradictions(given)
    if contradictions:
        raise UsageError(f"--run {run}: {'; '.join(contradictions)}. Leave these flags out, or name another run.")
    return folder.config_with(saved, given)


def fitting(given: Mapping[str, Any], config: Config) -> tuple[Config, str]:
    """Finds the run that the given options mean: the one with their `model_dir`, or else the only one that fits.

    Args:
        given: options of `Config`.
        config: the given options, the others at their defaults.

    Returns:
        The run's configuration, with its options replaced by the given ones; and a line that names the run if it was
        found only because it fits. If no run fits: `config` and an empty line.

    Raises:
        RunError: Several runs fit; the message names them.
    """
    folder = RunFolder(config.run_checkpoint_dir)
    if folder.exists:
        saved = folder.config_if_fits(given)
        return (folder.config_with(saved, given) if saved else config), ""
    found = [(run, saved) for run in runs_in(Path(config.checkpoint_dir)) if (saved := run.config_if_fits(given))]
    if not found:
        return config, ""
    if len(found) > 1:
        names = _listed([run.path.name for run, _ in found])
        raise RunError(f"Several runs in {config.checkpoint_dir} fit: give one as --run, of {names}.")
    run, saved = found[0]
    return run.config_with(saved, given), f"Run: {run.path}, the only one that fits the flags."


def existing_runs(root: Path) -> str:
    """Returns a sentence that lists the runs in a folder."""
    names = [run.path.name for run in runs_in(root)]
    return f"There are {_listed(names)}." if names else f"There is none in {root} at all."


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
