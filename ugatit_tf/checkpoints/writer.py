"""Writes a run's checkpoints in the reference's layout, deletes the oldest, keeps the best."""

import contextlib
import logging
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from ugatit_tf import json_files
from ugatit_tf.checkpoints.bundle import by_path
from ugatit_tf.checkpoints.folder import (
    BEST_FILE,
    BEST_FOLDER,
    STATE_FILE,
    Best,
    RunFolder,
    prefix_of,
    state_text,
    step_in_name,
)
from ugatit_tf.config import CONFIG_FILE, Config
from ugatit_tf.errors import RunError, reason
from ugatit_tf.system import files
from ugatit_tf.system.files import staged, write_atomically

_log = logging.getLogger(__name__)

_PART = re.compile(r"(?P<prefix>.+\.model-(?P<step>\d+))\.(index|data-\d{5}-of-\d{5})")
# Earlier versions let TensorFlow write into place; a killed save then left these names.
_LEFTOVERS = (r".+\.model-\d+_temp", r".+\.index\.tempstate\d+", r"checkpoint\.tmp[0-9a-f]+")


class CheckpointWriter:
    """Writes a run's checkpoints and deletes the oldest.

    Args:
        variables: the whole state of the run.
        config: the configuration of the run: its folder, and how many checkpoints it keeps.
        damaged: the prefixes of damaged checkpoints. They do not count, and are deleted when a later step is saved.
        waits: seconds to wait before each further try after a failed save.
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
        """Writes the checkpoint of `step` completed steps, replaces an older one of that step, and returns its prefix.

        If the folder held an intact checkpoint before, it holds one at every moment.

        Raises:
            RunError: All tries failed; the earlier checkpoints are still there.
        """
        for wait in self._waits:
            try:
                return self._save(step)
            except RunError as error:
                _log.warning("%s Trying again in %g s.", error, wait)
                time.sleep(wait)
        return self._save(step)

    def _save(self, step: int) -> Path:
        prefix = _write(self._checkpoint, prefix_of(self._config, step), {})
        self._damaged.discard(prefix)
        self._rotate(step)
        return prefix

    def _rotate(self, step: int) -> None:
        """Deletes the oldest checkpoints after that of `step` is complete, and names the others in the state file.

        Damaged checkpoints of earlier steps are deleted in any case; checkpoints of later steps do not count and stay.
        Files that cannot be deleted are logged.
        """
        folder, model_name = RunFolder(self._config.run_checkpoint_dir), self._config.model_name
        damaged = {prefix for prefix in self._damaged if step_in_name(prefix) < step}
        earlier = [prefix for prefix in folder.checkpoints(model_name) if step_in_name(prefix) <= step]
        kept = [prefix for prefix in earlier if prefix not in damaged][: self._config.max_to_keep]
        write_atomically(folder.path / STATE_FILE, state_text([prefix.name for prefix in reversed(kept)]).encode())
        # An index is deleted before its data: without an index, the rest is no checkpoint. Data files that a killed
        # deletion has left are deleted too.
        for path in sorted(folder.path.glob(f"{model_name}.model-*"), key=lambda path: path.suffix != ".index"):
            part = _PART.fullmatch(path.name)
            if part and (int(part["step"]) < step_in_name(kept[-1]) or folder.path / part["prefix"] in damaged):
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    _log.warning("Cannot delete %s: %s", path, error.strerror)


def add(values: Mapping[str, tf.Variable], config: Config, step: int) -> Path:
    """Adds a checkpoint to a run's folder, with `config.json` if it is the first one; deletes no other.

    Args:
        values: the values by the variables' paths.
        config: the configuration of the run.
        step: completed steps; the folder must not have a checkpoint of this step.

    Returns:
        The checkpoint's prefix.

    Raises:
        RunError: The checkpoint cannot be written; the folder is unchanged.
    """
    prefix = prefix_of(config, step)
    others = {}
    if not RunFolder(config.run_checkpoint_dir).checkpoints(config.model_name):
        others = {CONFIG_FILE: config.to_json(), STATE_FILE: state_text([prefix.name])}
    return _write(tf.train.Checkpoint(variables=dict(values)), prefix, others)


def _write(checkpoint: tf.train.Checkpoint, prefix: Path, others: Mapping[str, str]) -> Path:
    """Writes a checkpoint and other files, from names to texts, atomically."""
    with staged(prefix.parent, last="*.index") as staging:
        try:
            checkpoint.write(str(staging / prefix.name))
        except tf.errors.OpError as error:
            raise RunError(f"Cannot save to {prefix.parent}: {reason(error)}.") from error
        for name, text in others.items():
            (staging / name).write_text(text, encoding="utf-8")
    return prefix


def clear_leftovers(folder: Path) -> None:
    """Deletes the files that a killed save has left. No other run may be saving into the folder."""
    files.clear_leftovers(folder, *_LEFTOVERS)
    _tidy_best(folder)


def keep_best(prefix: Path, best: Best) -> None:
    """Replaces a run's best checkpoint.

    The new files are complete before `best.json` names them, and the old ones are deleted after that: the folder
    `best` holds an intact checkpoint at every moment. If the disk allows it, the files are hard links to those of the
    run's folder, which take no room while the run keeps its own.

    Args:
        prefix: the prefix of the checkpoint in the run's folder.
        best: its name and score.

    Raises:
        RunError: The files cannot be written; the earlier best checkpoint is still there.
    """
    with staged(prefix.parent / BEST_FOLDER, last=BEST_FILE) as staging:
        for path in prefix.parent.glob(f"{prefix.name}.*"):
            try:
                os.link(path, staging / path.name)
            except OSError:  # this file system has no hard links
                shutil.copyfile(path, staging / path.name)
        (staging / BEST_FILE).write_bytes(json_files.dumps(best, indent=1))
    _tidy_best(prefix.parent)


def _tidy_best(folder: Path) -> None:
    """Deletes files in a run's folder `best` that do not belong to the best checkpoint."""
    best = RunFolder(folder).best()
    place = folder / BEST_FOLDER
    files.clear_leftovers(place)
    for path in place.iterdir() if best else ():
        if path.name != BEST_FILE and not path.name.startswith(f"{best.name}."):
            with contextlib.suppress(OSError):
                path.unlink()
