"""Writing a run's checkpoints, in the reference's layout, and deleting the oldest."""

import logging
import re
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import keras
import tensorflow as tf

from ugatit_tf.checkpoints import best
from ugatit_tf.checkpoints.bundle import by_path
from ugatit_tf.checkpoints.folder import STATE_FILE, RunFolder, prefix_of, state_text, step_in_name
from ugatit_tf.config import CONFIG_FILE, Config
from ugatit_tf.errors import RunError, reason
from ugatit_tf.system import files
from ugatit_tf.system.files import staged, write_atomically

_log = logging.getLogger(__name__)

_PART = re.compile(r"(?P<prefix>.+\.model-(?P<step>\d+))\.(index|data-\d{5}-of-\d{5})")
# What a killed save leaves where TensorFlow was left to write into place, as in earlier versions.
_LEFTOVERS = (r".+\.model-\d+_temp", r".+\.index\.tempstate\d+", r"checkpoint\.tmp[0-9a-f]+")


class CheckpointWriter:
    """Writes a run's checkpoints and forgets the oldest.

    Args:
        variables: everything that has to come back on resume.
        config: where to write, and how many checkpoints to keep.
        damaged: the prefixes of damaged checkpoints. They go when the run has passed their steps, and never count.
        waits: seconds to wait before each further try where a save fails.
    """

    def __init__(
        self,
        variables: Iterable[keras.Variable],
        config: Config,
        damaged: Iterable[Path] = (),
        waits: Iterable[float] = (10, 60),
    ) -> None:
        values = {path: variable.value for path, variable in by_path(variables).items()}
        self._checkpoint = tf.train.Checkpoint(variables=values)
        self._config = config
        self._damaged = set(damaged)
        self._waits = tuple(waits)

    def save(self, step: int) -> Path:
        """Writes the checkpoint of `step` completed steps, in place of one that is there; returns its prefix.

        At any moment the folder holds an intact checkpoint, if it did so before.

        Raises:
            RunError: where it cannot be written, also after some waiting; the earlier ones are then all there.
        """
        for wait in self._waits:
            try:
                return self._save(step)
            except RunError as error:
                _log.warning("%s Trying again in %g s.", error, wait)
                time.sleep(wait)
        return self._save(step)

    def _save(self, step: int) -> Path:
        prefix = _write(self._checkpoint, prefix_of(self._config, step))
        self._damaged.discard(prefix)
        passed = {damaged for damaged in self._damaged if step_in_name(damaged) < step}
        _rotate(RunFolder(prefix.parent), self._config.model_name, step, self._config.max_to_keep, passed)
        return prefix


def _rotate(folder: RunFolder, model_name: str, step: int, keep: int, damaged: Collection[Path]) -> None:
    """Deletes the oldest checkpoints, now that a new one is complete, and names the others in the state file.

    Args:
        folder: of the run.
        model_name: "UGATIT" or "UGATIT_light".
        step: of the new one. Later ones are left alone, and do not count.
        keep: how many to keep.
        damaged: earlier ones that are to go first.

    Raises:
        RunError: where the state file cannot be written. A file that cannot be deleted is named in the log.
    """
    earlier = [prefix for prefix in folder.checkpoints(model_name) if step_in_name(prefix) <= step]
    kept = [prefix for prefix in earlier if prefix not in damaged][:keep]
    write_atomically(folder.path / STATE_FILE, state_text([prefix.name for prefix in reversed(kept)]).encode())
    # An index goes before its data: without it, the rest is no checkpoint. What an earlier, killed deletion has left
    # goes too.
    for path in sorted(folder.path.glob(f"{model_name}.model-*"), key=lambda path: path.suffix != ".index"):
        part = _PART.fullmatch(path.name)
        if part and (int(part["step"]) < step_in_name(kept[-1]) or folder.path / part["prefix"] in damaged):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                _log.warning("Cannot delete %s: %s", path, error.strerror)


def add(values: Mapping[str, tf.Variable], config: Config, step: int) -> Path:
    """Puts one checkpoint, and `config.json` where it is the first, into a run's folder; forgets no other.

    Args:
        values: what it shall hold, by the variables' paths.
        config: where to write it.
        step: of the checkpoint; the folder has none of this step.

    Returns:
        The checkpoint's prefix.

    Raises:
        RunError: where it cannot be written; the folder is then as it was.
    """
    prefix = prefix_of(config, step)
    others = {}
    if not RunFolder(config.run_checkpoint_dir).checkpoints(config.model_name):
        others = {CONFIG_FILE: config.to_json(), STATE_FILE: state_text([prefix.name])}
    return _write(tf.train.Checkpoint(variables=dict(values)), prefix, others)


def _write(checkpoint: tf.train.Checkpoint, prefix: Path, others: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Writes a checkpoint, and other files beside it, atomically."""
    with staged(prefix.parent, last="*.index") as staging:
        try:
            checkpoint.write(str(staging / prefix.name))
        except tf.errors.OpError as error:
            raise RunError(f"Cannot save to {prefix.parent}: {reason(error)}.") from error
        for name, text in others.items():
            (staging / name).write_text(text, encoding="utf-8")
    return prefix


def clear_leftovers(folder: Path) -> None:
    """Deletes what a killed save has left in a folder in which no other run saves now."""
    files.clear_leftovers(folder, *_LEFTOVERS)
    best.tidy(folder)
