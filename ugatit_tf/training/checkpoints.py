"""Checkpoints in the reference's layout: `checkpoint/<model_dir>/<model_name>.model-<step>.index`, the data beside it.

Variables are kept by their paths, so that nothing hangs on how Python objects hold them, and restored strictly: all
of them or none.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import keras
import tensorflow as tf

from ugatit_tf.config import ARCHITECTURE, CONFIG_FILE, Config
from ugatit_tf.errors import RunError
from ugatit_tf.files import make_folder, staged, write_atomically
from ugatit_tf.training import ema

_OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
BOOKKEEPING = (_OBJECT_GRAPH, "save_counter/.ATTRIBUTES/VARIABLE_VALUE")  # what a checkpoint holds beside variables


def latest(config: Config) -> Path | None:
    """The prefix of the run's newest checkpoint, by the step in its name, or None.

    The folder is looked at, not its `checkpoint` state file: that one names places that a moved folder has left.
    """
    return newest(config.run_checkpoint_dir, config.model_name)


def newest(folder: Path, model_name: str) -> Path | None:
    """As `latest`, of any folder."""
    prefixes = [path.with_suffix("") for path in folder.glob(f"{model_name}.model-*.index")]
    return max((prefix for prefix in prefixes if step_in_name(prefix) is not None), key=step_in_name, default=None)


def require_latest(config: Config) -> Path:
    """As `latest`.

    Raises:
        RunError: where there is none, naming the folder.
    """
    prefix = latest(config)
    if prefix is None:
        raise RunError(
            f"No checkpoint {config.model_name}.model-* in {config.run_checkpoint_dir}: train first, or give the flags "
            "that the run was trained with (they make up the folder's name)."
        )
    return prefix


def restore(variables: Iterable[keras.Variable], prefix: Path, *, whole: bool, others: Collection[str] = ()) -> None:
    """Gives variables the values that they have in a checkpoint.

    Args:
        variables: of networks, optimizers, or parts of them; each is found by its path.
        prefix: the checkpoint's path without `.index`.
        whole: whether the checkpoint must hold nothing else.
        others: what it may hold besides all the same, by the names in it.

    Raises:
        RunError: where a variable is not in the checkpoint or has another shape there, where something is left over
            though `whole`, and where the file is damaged.
    """
    checkpoint = _checkpoint(variables)
    try:
        names = tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map()
        _check_kind(prefix, names, whole=whole)
        left = sorted(set(names).difference(map(key, checkpoint.variables), BOOKKEEPING, others)) if whole else []
        if left:
            raise ValueError(f"it has {len(left)} variables that this network lacks; one is {left[0]}")
        checkpoint.restore(str(prefix)).expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError) as error:
        raise RunError(f"{prefix} does not fit this network: {_first_line(error)}") from error
    except (tf.errors.OpError, IndexError) as error:  # IndexError: fewer bytes than the index asks for
        raise RunError(f"{prefix} is damaged or cannot be read: {_first_line(error)}") from error


def key(path: str) -> str:
    """The name in a checkpoint of the variable that has this path."""
    return f"variables/{path.replace('.', '..').replace('/', '.S')}/.ATTRIBUTES/VARIABLE_VALUE"


def has_discriminators(names: Collection[str]) -> bool:
    """Whether a checkpoint with these names in it holds more than generators."""
    return any(name.startswith("variables/discriminator_") for name in names)


def averages(names: Collection[str]) -> set[str]:
    """The names of the generators' moving averages among those in a checkpoint."""
    return {name for name in names if name.startswith(f"variables/{ema.PREFIX}")}


def averages_in(prefix: Path) -> set[str]:
    """As `averages`, of a checkpoint's own names.

    Raises:
        RunError: where it is damaged.
    """
    try:
        return averages(tf.train.load_checkpoint(str(prefix)).get_variable_to_shape_map())
    except (tf.errors.OpError, ValueError, IndexError) as error:
        raise RunError(f"{prefix} is damaged or cannot be read: {_first_line(error)}") from error


class CheckpointWriter:
    """Writes a run's checkpoints and forgets the oldest.

    Args:
        variables: everything that has to come back on resume.
        config: where to write, and how many checkpoints to keep.
    """

    def __init__(self, variables: Iterable[keras.Variable], config: Config) -> None:
        self._manager = tf.train.CheckpointManager(
            _checkpoint(variables),
            str(config.run_checkpoint_dir),
            max_to_keep=config.max_to_keep,
            checkpoint_name=f"{config.model_name}.model",
        )

    def save(self, step: int) -> Path:
        """Writes the checkpoint of `step` completed steps; returns its prefix.

        Raises:
            RunError: where it cannot be written.
        """
        try:
            return Path(self._manager.save(checkpoint_number=step))
        except (tf.errors.OpError, OSError) as error:
            raise RunError(f"Cannot save to {self._manager.directory}: {_first_line(error)}") from error


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
    folder, name = config.run_checkpoint_dir, f"{config.model_name}.model"
    checkpoint = tf.train.Checkpoint(variables=dict(values))
    with staged(folder, last="*.index") as staging:
        manager = tf.train.CheckpointManager(checkpoint, str(staging), None, checkpoint_name=name)
        try:
            manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise RunError(f"Cannot save to {folder}: {_first_line(error)}") from error
        if latest(config) is None:
            (staging / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
        else:
            (staging / "checkpoint").unlink()  # this one's does not know of the others
    return folder / f"{name}-{step}"


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


def _check_kind(prefix: Path, names: Collection[str], *, whole: bool) -> None:
    """Refuses a checkpoint of the reference, and one of generators alone where it has to be whole."""
    if _OBJECT_GRAPH not in names:
        raise RunError(f"{prefix} is of the reference: bring it in with --phase convert --from_checkpoint.")
    if whole and not has_discriminators(names):
        raise RunError(f"{prefix} holds generators alone: it can be tested, but there is nothing to train on from.")


def _checkpoint(variables: Iterable[keras.Variable]) -> tf.train.Checkpoint:
    by_path: dict[str, tf.Variable] = {}
    for variable in variables:
        if variable.path in by_path:
            raise ValueError(f"Two variables are called {variable.path}.")
        by_path[variable.path] = variable.value
    return tf.train.Checkpoint(variables=by_path)


def step_in_name(prefix: Path) -> int | None:
    """The completed steps that a checkpoint's name tells, or None where it is named otherwise."""
    match = re.search(r"\.model-(\d+)$", prefix.name)
    return int(match[1]) if match else None


def _first_line(error: Exception) -> str:
    text = re.sub(r"\{\{.*?\}\}|\[Op:\w+\].*", "", str(error).strip().partition("\n")[0])  # TensorFlow's own places
    return text.strip()
