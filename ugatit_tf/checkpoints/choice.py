"""Choice of a run: by its name, or by the flags that were given. Needs no TensorFlow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ugatit_tf.checkpoints.folder import RunFolder, runs_in
from ugatit_tf.config import Config
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
    contradictions = saved.contradictions(given)
    if contradictions:
        raise UsageError(f"--run {run}: {'; '.join(contradictions)}. Leave these flags out, or name another run.")
    return folder.config_with(saved, given)


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


def others(root: Path) -> str:
    """What runs there are in a folder, as a sentence."""
    names = [run.path.name for run in runs_in(root)]
    return f"There are {_listed(names)}." if names else f"There is none in {root} at all."


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
