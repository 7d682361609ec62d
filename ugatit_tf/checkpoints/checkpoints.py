"""Checkpoints in the reference's layout: `checkpoint/<model_dir>/<model_name>.model-<step>.index`, the data beside it.

Variables are kept by their paths, so that nothing hangs on how Python objects hold them, and restored strictly: all
of them or none.
"""

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import keras
import tensorflow as tf

from ugatit_tf.checkpoints import checkpoint_files, names
from ugatit_tf.checkpoints.bundle import OBJECT_GRAPH, Bundle, state_text
from ugatit_tf.checkpoints.checkpoint_files import Found, key
from ugatit_tf.checkpoints.names import step_in_name
from ugatit_tf.config import ARCHITECTURE, CONFIG_FILE, Config
from ugatit_tf.errors import RunError
from ugatit_tf.system.files import make_folder, reason, staged, write_atomically
from ugatit_tf.training import ema
from ugatit_tf.training.gradients import LossScale

_log = logging.getLogger(__name__)

BOOKKEEPING = (OBJECT_GRAPH, "save_counter/.ATTRIBUTES/VARIABLE_VALUE")  # what a checkpoint holds beside variables


def listed(config: Config) -> list[Path]:
    """The prefixes of the run's checkpoints, sound or not, the newest first."""
    return names.listed(config.run_checkpoint_dir, config.model_name)


def find(config: Config, networks: Collection[str] | None = None) -> Found:
    """The run's newest sound checkpoint; newer ones that are damaged are named in the log.

    Args:
        config: of the run.
        networks: those that are needed, such as "generator_A": the rest is not verified; None: all that there is.

    Raises:
        RunError: where there are checkpoints, and all of them are damaged.
    """
    return checkpoint_files.newest_sound(config.run_checkpoint_dir, config.model_name, networks)


def require(config: Config, networks: Collection[str] | None = None) -> Path:
    """The prefix of the run's newest sound checkpoint; otherwise as `find`.

    Raises:
        RunError: also where there is none, naming the folder.
    """
    prefix = find(config, networks).prefix
    if prefix is None:
        raise RunError(
            f"No checkpoint {config.model_name}.model-* in {config.run_checkpoint_dir}: train first, or give the flags "
            "that the run was trained with (they make up the folder's name)."
        )
    return prefix


def restore(variables: Iterable[keras.Variable], prefix: Path, *, whole: bool, others: Collection[str] = ()) -> None:
    """Gives variables the values that they have in a checkpoint, one at a time.

    Args:
        variables: of networks, optimizers, or parts of them; each is found by its path.
        prefix: the checkpoint's path without `.index`.
        whole: whether the checkpoint must hold nothing else.
        others: what it may hold besides all the same, by the names in it.

    Raises:
        RunError: before any value is changed, where a variable is not in the checkpoint or has another shape there,
            and where something is left over though `whole`; later, where the file is damaged.
    """
    table = {key(path): variable for path, variable in _by_path(variables).items()}
    bundle = Bundle(prefix)
    if not bundle.object_based:
        raise RunError(f"{prefix} is of the reference: bring it in with --phase convert --from_checkpoint.")
    if whole and not has_discriminators(bundle.shapes):
        raise RunError(f"{prefix} holds generators alone: it can be tested, but there is nothing to train on from.")
    for variable, values in bundle.matched(table, (*BOOKKEEPING, *others) if whole else None):
        variable.assign(values)


def names_in(prefix: Path) -> Collection[str]:
    """The names of all that a checkpoint holds.

    Raises:
        RunError: where it is damaged.
    """
    return Bundle(prefix).shapes.keys()


def has_discriminators(names: Collection[str]) -> bool:
    """Whether a checkpoint with these names in it holds more than generators."""
    return any(name.startswith("variables/discriminator_") for name in names)


def averages(names: Collection[str]) -> set[str]:
    """The names of the generators' moving averages among those in a checkpoint."""
    return {name for name in names if name.startswith(f"variables/{ema.PREFIX}")}


def loss_scales(names: Collection[str]) -> set[str]:
    """The names of float16's loss scales among those in a checkpoint; none where its run had another precision last."""
    return {name for name in names if any(f"_optimizer.S{own}/" in name for own in LossScale.NAMES)}


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
        by_path = {path: variable.value for path, variable in _by_path(variables).items()}
        self._checkpoint = tf.train.Checkpoint(variables=by_path)
        self._config = config
        self._damaged = set(damaged)
        self._waits = tuple(waits)

    def save(self, step: int) -> Path:
        """Writes the checkpoint of `step` completed steps, in place of one that is there; returns its prefix.

        At any moment the folder holds a whole checkpoint, if it did so before.

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
        folder, name = self._config.run_checkpoint_dir, self._config.model_name
        prefix = _write(self._checkpoint, folder / f"{name}.model-{step}")
        self._damaged.discard(prefix)
        passed = {damaged for damaged in self._damaged if step_in_name(damaged) < step}
        checkpoint_files.rotate(folder, name, step, self._config.max_to_keep, passed)
        return prefix


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
    prefix = config.run_checkpoint_dir / f"{config.model_name}.model-{step}"
    others = {} if listed(config) else {CONFIG_FILE: config.to_json(), "checkpoint": state_text([prefix.name])}
    return _write(tf.train.Checkpoint(variables=dict(values)), prefix, others)


def _write(checkpoint: tf.train.Checkpoint, prefix: Path, others: Mapping[str, str] = MappingProxyType({})) -> Path:
    """Writes a checkpoint, and other files beside it, whole or not at all."""
    with staged(prefix.parent, last="*.index") as staging:
        try:
            checkpoint.write(str(staging / prefix.name))
        except tf.errors.OpError as error:
            raise RunError(f"Cannot save to {prefix.parent}: {reason(error)}.") from error
        for name, text in others.items():
            (staging / name).write_text(text, encoding="utf-8")
    return prefix


def save_config(config: Config) -> None:
    """Writes the run's configuration beside its checkpoints, making the folder."""
    make_folder(config.run_checkpoint_dir)
    write_atomically(config.run_checkpoint_dir / CONFIG_FILE, config.to_json().encode())


def saved_config(config: Config) -> Config | None:
    """The configuration that the run was last trained with, or None."""
    return config_in(config.run_checkpoint_dir)


def config_in(folder: Path) -> Config | None:
    """As `saved_config`, of the run in a folder."""
    path = folder / CONFIG_FILE
    return Config.from_json(path.read_text(), str(path)) if path.exists() else None


def require_saved_config(config: Config) -> Config:
    """As `saved_config`.

    Raises:
        RunError: where there is none.
    """
    saved = saved_config(config)
    if saved is None:
        raise RunError(
            f"{config.run_checkpoint_dir} has checkpoints but no {CONFIG_FILE}, so that nothing tells of what network "
            "they are: give another --checkpoint_dir."
        )
    return saved


def check_architecture(config: Config, saved: Config, fixed: frozenset[str] = ARCHITECTURE) -> None:
    """Refuses flags that contradict the network that the checkpoints are of.

    Args:
        config: what is asked for now.
        saved: what the checkpoints were trained with.
        fixed: the knobs that must not differ.

    Raises:
        RunError: naming each such flag and both values.
    """
    contradictions = [
        f"--{name} is {now} but the checkpoints were trained with {before}"
        for name, (now, before) in config.differences(saved).items()
        if name in fixed
    ]
    if contradictions:
        raise RunError(f"{'; '.join(contradictions)}. Give the same value, or another --checkpoint_dir.")


def _by_path(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    by_path: dict[str, keras.Variable] = {}
    for variable in variables:
        if variable.path in by_path:
            raise ValueError(f"Two variables are called {variable.path}.")
        by_path[variable.path] = variable
    return by_path
