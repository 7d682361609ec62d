"""The front door to checkpoints: from a run or a folder to an object that knows its checkpoint and gives generators."""

import dataclasses
import functools
import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple

import keras

from ugatit_tf.checkpoints import tf1_architecture, tf1_checkpoint
from ugatit_tf.checkpoints.bundle import BOOKKEEPING, Bundle, DamagedError, by_key
from ugatit_tf.checkpoints.folder import RunFolder, find_prefix, step_in_name
from ugatit_tf.checkpoints.variables import averages
from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.errors import RunError
from ugatit_tf.networks.generator import Generator
from ugatit_tf.options import NEWEST
from ugatit_tf.system.files import stamp
from ugatit_tf.training import ema
from ugatit_tf.training.networks import build_generator

_log = logging.getLogger(__name__)

DIRECTIONS = {"A2B": "B", "B2A": "A"}  # to the domain whose generator it takes


class Checkpoint:
    """A checkpoint, of this program or of the TensorFlow 1 reference.

    Args:
        prefix: its path without `.index`.
        config: what it was trained with; of `img_size` and `precision`, what is asked for now.

    Attributes:
        prefix: as given.
        config: as given.
    """

    def __init__(self, prefix: Path, config: Config) -> None:
        self.prefix = prefix
        self.config = config

    @functools.cached_property
    def bundle(self) -> Bundle:
        """Its files; a DamagedError where they cannot be read."""
        return Bundle(self.prefix)

    @property
    def step(self) -> int | None:
        """The number in its name: completed steps, of the reference's one more."""
        return step_in_name(self.prefix)

    @property
    def averaged(self) -> bool:
        """Whether its pictures are made with moving averages: if it has them, and its run had `ema` last."""
        return self.config.ema > 0 and bool(averages(self.bundle.shapes))

    @property
    def label(self) -> str:
        """Its name for people."""
        return f"{self.prefix.name}{self._note}"

    def __str__(self) -> str:
        return f"{self.prefix}{self._note}"

    @property
    def identity(self) -> str:
        """A text that changes with what it makes pictures with."""
        return f"{self.label} {stamp(f'{self.prefix}.index')}"

    @property
    def _note(self) -> str:
        return " (moving average)" if self.averaged else ""

    def verify(self, directions: Collection[str] | None = None) -> None:
        """Compares it with its checksums, holding one variable at a time in memory.

        Args:
            directions: those whose generators are needed: the rest is not read; None: all that there is.

        Raises:
            DamagedError: saying what is wrong.
        """
        starts = directions and [
            f"{average}generator_{DIRECTIONS[direction]}/" for direction in directions for average in ("", ema.PREFIX)
        ]
        self.bundle.verify(starts)

    def generator(self, direction: str, *, precision: str = "") -> Generator:
        """The generator of one of DIRECTIONS with its weights, or their moving average where it is `averaged`.

        Args:
            direction: a key of DIRECTIONS.
            precision: the number type in which it multiplies; the config's unless given.

        Raises:
            RunError: where the checkpoint is damaged or of another network.
        """
        config = dataclasses.replace(self.config, precision=precision or self.config.precision)
        generator = build_generator(config, DIRECTIONS[direction], average=self.averaged)
        self.restore(generator.variables, strict=False)
        return generator

    def restore(self, variables: Iterable[keras.Variable], *, strict: bool, others: Collection[str] = ()) -> None:
        """Gives variables the values that they have in the checkpoint, one at a time.

        Args:
            variables: of networks, optimizers, or parts of them; each is found by its path.
            strict: whether the checkpoint must hold nothing else.
            others: what it may hold besides all the same, by the names in it.

        Raises:
            RunError: before any value is changed, where a variable is not in the checkpoint or has another shape there,
                and where something is left over though `strict`; later, where the file is damaged.
        """
        if self.bundle.object_based:
            table = by_key(variables)
        elif strict:
            raise RunError(f"{self.prefix} is of the reference: bring it in with --phase convert --from_checkpoint.")
        else:
            table = tf1_checkpoint.reference_names(variables)
        for variable, values in self.bundle.matched(table, (*BOOKKEEPING, *others) if strict else None):
            variable.assign(values)


class Found(NamedTuple):
    """What a run can go on from.

    Attributes:
        checkpoint: the newest intact one; None where there is no checkpoint at all.
        damaged: the prefixes of those that are newer.
    """

    checkpoint: Checkpoint | None
    damaged: tuple[Path, ...]


def find_newest(
    config: Config, directions: Collection[str] | None = None, fixed: frozenset[str] = ARCHITECTURE
) -> Found:
    """Looks for the newest checkpoint of a run that is what was written; those that are not are named in the log.

    Args:
        config: of the run, as it is asked for now.
        directions: as for `Checkpoint.verify`.
        fixed: the options that must be as the run was trained.

    Raises:
        RunError: where there are checkpoints, and all of them are damaged or of another network than is asked for.
    """
    return _find(config, directions, fixed, NEWEST)


def open_run(config: Config, directions: Collection[str] | None = tuple(DIRECTIONS), which: str = NEWEST) -> Checkpoint:
    """A checkpoint of a run, to make pictures with.

    Args:
        config: of the run, as it is asked for now.
        directions: as for `Checkpoint.verify`.
        which: "newest", of those that are intact; "best"; or a step.

    Raises:
        RunError: where there is none, it is damaged, or it is of another network than the one asked for.
    """
    fixed = ARCHITECTURE - ({"img_size"} if config.light else set())  # a light network takes any size
    found = _find(config, directions, fixed, which)
    if found.checkpoint is None:
        raise RunError(
            f"No checkpoint {config.model_name}.model-* in {config.run_checkpoint_dir}: train first, or name the run "
            "with --run, or by the flags that it was trained with."
        )
    return found.checkpoint


def open_folder(path: Path, directions: Collection[str] = tuple(DIRECTIONS), which: str = NEWEST) -> Checkpoint:
    """A checkpoint in a folder, wherever it has been moved.

    Args:
        path: a run's folder, with its `config.json`; or one of the reference's, or a checkpoint of the reference.
        directions: those whose generators are needed.
        which: as for `open_run`; of the reference, only "newest".

    Raises:
        RunError: where there is none, or it is damaged.
    """
    config = RunFolder(path).config()
    if config is None:
        if which != NEWEST:
            raise RunError(f"{path} has no config.json, so that only its newest checkpoint can be taken, not {which}.")
        source = Bundle(find_prefix(path))
        return Checkpoint(source.prefix, tf1_architecture.read(source, Config())[0])
    found = _choose(RunFolder(path), config, directions, which)
    if found.checkpoint is None:
        raise RunError(f"{path} has no checkpoint {config.model_name}.model-*.")
    return found.checkpoint


def check_agrees(config: Config, saved: Config, fixed: frozenset[str] = ARCHITECTURE) -> None:
    """Checks that what is asked for has the same `fixed` options as what a run's checkpoints were trained with.

    Raises:
        RunError: naming each such option and both values.
    """
    contradictions = [
        f"--{name} is {now} but the checkpoints were trained with {before}"
        for name, (now, before) in config.differences(saved).items()
        if name in fixed
    ]
    if contradictions:
        raise RunError(f"{'; '.join(contradictions)}. Give the same value, or another --checkpoint_dir.")


def _find(config: Config, directions: Collection[str] | None, fixed: frozenset[str], which: str) -> Found:
    folder = RunFolder(config.run_checkpoint_dir)
    saved = folder.config()
    # Before verifying, which takes its time.
    if saved is not None and (which != NEWEST or folder.checkpoints(config.model_name)):
        check_agrees(config, saved, fixed)
        config = dataclasses.replace(saved, img_size=config.img_size, precision=config.precision)
    return _choose(folder, config, directions, which)


def _choose(folder: RunFolder, config: Config, directions: Collection[str] | None, which: str) -> Found:
    """Of a folder's checkpoints, the newest intact one, or the one that is named."""
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
            "bring a copy back, or move the damaged ones away to start anew."
        )
    return Found(None, ())
