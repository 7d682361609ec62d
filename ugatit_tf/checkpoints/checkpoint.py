"""The entrance to checkpoints: finds the checkpoint of a run or folder, verifies it, and builds generators from it."""

import dataclasses
import functools
import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import keras

from ugatit_tf.checkpoints import tf1
from ugatit_tf.checkpoints.bundle import BOOKKEEPING, Bundle, DamagedError, by_key
from ugatit_tf.checkpoints.folder import RunFolder, find_prefix, step_in_name
from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.direction import Direction
from ugatit_tf.errors import RunError
from ugatit_tf.networks.generator import Generator
from ugatit_tf.options import NEWEST
from ugatit_tf.system.files import stamp
from ugatit_tf.training import ema
from ugatit_tf.training.networks import build_generator

_log = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class Checkpoint:
    """A checkpoint of this program or of the TensorFlow 1 reference."""

    prefix: Path  # its path without `.index`
    config: Config  # the training configuration, with `img_size` and `precision` replaced by the current flags

    @functools.cached_property
    def bundle(self) -> Bundle:
        """Its files; raises a DamagedError if they cannot be read."""
        return Bundle(self.prefix)

    @property
    def step(self) -> int | None:
        """The number in its name: completed steps; the reference's checkpoints store one more."""
        return step_in_name(self.prefix)

    @property
    def averaged(self) -> bool:
        """Whether its generators use the moving averages: the checkpoint holds them, and the run's `ema` is not 0."""
        return self.config.ema > 0 and bool(self.bundle.averages)

    @property
    def label(self) -> str:
        """Its name as users read it."""
        return f"{self.prefix.name}{self._note}"

    def __str__(self) -> str:
        return f"{self.prefix}{self._note}"

    @property
    def identity(self) -> str:
        """A text that changes whenever the weights of its generators may have changed."""
        return f"{self.label} {stamp(f'{self.prefix}.index')}"

    @property
    def _note(self) -> str:
        return " (moving average)" if self.averaged else ""

    def verify(self, directions: Collection[str] | None = None) -> None:
        """Compares the checkpoint with its checksums. It holds one variable at a time in memory.

        Args:
            directions: the directions whose generators are verified; None verifies the whole checkpoint.

        Raises:
            DamagedError: The checkpoint is damaged; the message says how.
        """
        starts = directions and [
            f"{average}generator_{Direction(each).target}/" for each in directions for average in ("", ema.PREFIX)
        ]
        self.bundle.verify(starts)

    def generator(self, direction: str, *, precision: str = "") -> Generator:
        """Builds the generator of a direction, with its weights, or with their moving average if it is `averaged`.

        Args:
            direction: "A2B" or "B2A".
            precision: the number type in which it multiplies; "" takes the config's.

        Raises:
            RunError: The checkpoint is damaged, or belongs to another network.
        """
        config = dataclasses.replace(self.config, precision=precision or self.config.precision)
        generator = build_generator(config, Direction(direction).target, average=self.averaged)
        self.restore(generator.variables, strict=False)
        return generator

    def restore(self, variables: Iterable[keras.Variable], *, strict: bool, others: Collection[str] = ()) -> None:
        """Assigns the checkpoint's values to variables, one at a time.

        Args:
            variables: variables of networks or optimizers. Their paths say where the checkpoint holds their values.
            strict: whether the checkpoint must not hold other variables.
            others: names of variables that it may hold even if `strict`.

        Raises:
            RunError: Before any value changes: the checkpoint lacks a variable, holds one with another shape, or holds
                another one although `strict`. Later: the file is damaged.
        """
        if self.bundle.object_based:
            table = by_key(variables)
        elif strict:
            raise RunError(f"{self.prefix} is of the reference: convert it by --phase convert --from_checkpoint.")
        else:
            table = tf1.reference_names(variables)
        for variable, values in self.bundle.matched(table, (*BOOKKEEPING, *others) if strict else None):
            variable.assign(values)


class Found(NamedTuple):
    """The checkpoint from which a run can resume."""

    checkpoint: Checkpoint | None  # the newest intact checkpoint; None if the run has no checkpoint at all
    damaged: tuple[Path, ...]  # the prefixes of newer, damaged checkpoints


def find_checkpoint(
    config: Config,
    directions: Collection[str] | None = None,
    fixed: frozenset[str] = ARCHITECTURE,
    which: str = NEWEST,
) -> Found:
    """Returns the newest intact checkpoint of a run, or another that `which` names; logs each damaged one.

    Args:
        config: the run's configuration, from the current flags.
        directions: as for `Checkpoint.verify`.
        fixed: the options that must have the same values as in the training.
        which: "newest", "best", or a step.

    Raises:
        RunError: The run has checkpoints, but all are damaged, or they belong to another network than `config`.
    """
    folder = RunFolder(config.run_checkpoint_dir)
    saved = folder.config()
    # The check comes first, because the verification may take minutes.
    if saved is not None and (which != NEWEST or folder.checkpoints(config.model_name)):
        check_agrees(config, saved, fixed)
        config = dataclasses.replace(saved, img_size=config.img_size, precision=config.precision)
    return _choose(folder, config, directions, which)


def open_run(config: Config, directions: Collection[str] | None = tuple(Direction), which: str = NEWEST) -> Checkpoint:
    """Opens a checkpoint of a run for translation.

    Args:
        config: the run's configuration, from the current flags.
        directions: as for `Checkpoint.verify`.
        which: "newest", "best", or a step.

    Raises:
        RunError: The run has no such checkpoint, it is damaged, or it belongs to another network than `config`.
    """
    fixed = ARCHITECTURE - ({"img_size"} if config.light else set())  # a light network takes any size
    found = find_checkpoint(config, directions, fixed, which)
    if found.checkpoint is None:
        raise RunError(
            f"No checkpoint {config.model_name}.model-* in {config.run_checkpoint_dir}: train first, or name the run "
            "with --run, or by the flags that it was trained with."
        )
    return found.checkpoint


def open_folder(path: Path, directions: Collection[str] = tuple(Direction), which: str = NEWEST) -> Checkpoint:
    """Opens a checkpoint in a folder, which may have been moved from where it was trained.

    Args:
        path: a run's folder with its `config.json`, a folder of the reference, or a checkpoint of the reference.
        directions: the directions whose generators are needed.
        which: as for `open_run`; a folder of the reference allows only "newest".

    Raises:
        RunError: The folder holds no such checkpoint, or it is damaged.
    """
    config = RunFolder(path).config()
    if config is None:
        if which != NEWEST:
            raise RunError(f"{path} has no config.json: only its newest checkpoint can be opened, not {which}.")
        source = Bundle(find_prefix(path))
        return Checkpoint(source.prefix, tf1.read_config(source, Config())[0])
    found = _choose(RunFolder(path), config, directions, which)
    if found.checkpoint is None:
        raise RunError(f"{path} has no checkpoint {config.model_name}.model-*.")
    return found.checkpoint


def check_agrees(config: Config, saved: Config, fixed: frozenset[str] = ARCHITECTURE) -> None:
    """Checks that a configuration has the same `fixed` options as the one that a run was trained with.

    Raises:
        RunError: Some differ; the message names each of them and both values.
    """
    contradictions = [
        f"--{name} is {now} but the checkpoints were trained with {before}"
        for name, (now, before) in config.differences(saved).items()
        if name in fixed
    ]
    if contradictions:
        raise RunError(f"{'; '.join(contradictions)}. Give the same value, or another --checkpoint_dir.")


def _choose(folder: RunFolder, config: Config, directions: Collection[str] | None, which: str) -> Found:
    """Returns the folder's newest intact checkpoint, or the one that `which` names."""
    if which != NEWEST:
        checkpoint = Checkpoint(folder.named(which, config.model_name), config)
        checkpoint.verify(directions)
        return Found(checkpoint, ())
    damaged: dict[Path, DamagedError] = {}
    for prefix in folder.checkpoints(config.model_name):
        checkpoint = Checkpoint(prefix, config)
        try:
            checkpoint.verify(directions)
        except DamagedError as error:
            damaged[prefix] = error
            continue
        for error in damaged.values():
            _log.warning("Skipping a checkpoint: %s Taking the one before it.", error)
        return Found(checkpoint, tuple(damaged))
    if damaged:
        raise RunError(
            f"{folder.path} has no intact checkpoint: {' '.join(map(str, damaged.values()))} Nothing was changed: "
            "restore a copy, or move the damaged checkpoints away to start anew."
        )
    return Found(None, ())
