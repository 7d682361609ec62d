"""Converts checkpoints of the TensorFlow 1 reference to ours and back, and those of the PyTorch port to ours."""

import dataclasses
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf.checkpoints import bundle, tf1, writer
from ugatit_tf.checkpoints.bundle import BOOKKEEPING, Bundle, by_key
from ugatit_tf.checkpoints.checkpoint import check_agrees, open_run
from ugatit_tf.checkpoints.folder import RunFolder, find_prefix
from ugatit_tf.checkpoints.pytorch import reader
from ugatit_tf.checkpoints.pytorch.source import Source
from ugatit_tf.config import CONFIG_FILE, Config
from ugatit_tf.errors import RunError
from ugatit_tf.system import lock
from ugatit_tf.training.ugatit import UGATIT

_log = logging.getLogger(__name__)

_POWERS = (*tf1.GENERATOR_POWERS, *tf1.DISCRIMINATOR_POWERS)


class _Skeleton(NamedTuple):
    """The variables of a model, which have names and shapes but no values."""

    weights: dict[str, keras.Variable]  # the networks' variables by their names in the reference
    slots: dict[str, keras.Variable]  # Adam's moments by their names in the reference; empty for generators alone
    state: list[keras.Variable]  # all variables that one of our checkpoints holds
    step: str  # the path of the step counter
    generator_updates: str  # the path of the generator optimizer's counter
    discriminator_updates: str  # the path of the discriminator optimizer's counter


def _skeleton(config: Config, *, discriminators: bool) -> _Skeleton:
    with tf.Graph().as_default():  # here eight gigabytes of variables take no memory, because nothing is computed
        model = UGATIT(dataclasses.replace(config, ema=0.0))  # the reference has no moving averages
        model.compile()
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    networks = (model.generator_A, model.generator_B)
    if discriminators:
        networks += (model.discriminator_A, model.discriminator_B)
    trained = [variable for network in networks for variable in network.variables]
    weights = tf1.reference_names(trained)
    slots = (slot for optimizer in optimizers for slot in optimizer.slots) if discriminators else ()
    return _Skeleton(
        weights,
        tf1.slot_names(weights, slots),
        model.state if discriminators else trained,
        model.step.path,
        *(optimizer.iterations.path for optimizer in optimizers),
    )


def import_checkpoint(path: Path, flags: Config) -> None:
    """Converts a checkpoint of another program into the folder of its run, and logs the flags for resuming it.

    Args:
        path: a checkpoint of the reference, one of its files, or its folder; or a file of the PyTorch port.
        flags: the configuration by the flags, for options that the checkpoint does not show.

    Raises:
        RunError: The checkpoint, the flags and the run's folder do not go together. Nothing was written.
    """
    if path.suffix in reader.SUFFIXES:
        with reader.opened(path) as content:
            _import_pytorch(Source(path, content), flags)
        return
    source = Bundle(find_prefix(path))
    config, found = tf1.read_config(source, flags)
    with lock.hold(config.run_checkpoint_dir):
        _import_tf1(source, config, found)


def _import_tf1(source: Bundle, config: Config, found: str) -> None:
    updates = tf1.updates(source, config.n_critic)
    step = updates.discriminators
    _check_run(config, step)
    _log.info("Converting %s", source.prefix)
    _log.info("Found %s", found)
    _log.info("Step %s: %s", step, updates.source)

    discriminators = tf1.has_discriminators(source)
    skeleton = _skeleton(config, discriminators=discriminators)
    values = _read_reference(source, skeleton)
    counts = {skeleton.step: step}
    if not discriminators:
        _log.info("It holds generators alone: resuming starts with new discriminators and a new Adam.")
    elif any(variable.path in values for variable in skeleton.slots.values()):
        counts |= {skeleton.generator_updates: updates.generators, skeleton.discriminator_updates: step}
    else:
        _log.info("It holds no moments of Adam: resuming starts with a new Adam.")
    for variable in skeleton.state:
        if variable.path not in values:
            values[variable.path] = tf.Variable(np.full(variable.shape, counts.get(variable.path, 0), variable.dtype))
    _write(values, config, step)


def _import_pytorch(source: Source, flags: Config) -> None:
    config, found = source.read_config(flags)
    step = source.step or 0
    with lock.hold(config.run_checkpoint_dir):
        _check_run(config, step)
        _log.info("Converting %s", source.path)
        _log.info("Found from the tensors: %s", found)
        _log.info("Step %s: %s the file's name", step, "none in" if source.step is None else "from")
        _log.info("Its discriminators are left out: resuming starts with new ones and a new Adam.")
        _write(source.values(config, _skeleton(config, discriminators=False).state), config, step)


def _write(values: Mapping[str, tf.Variable], config: Config, step: int) -> None:
    prefix = writer.add(values, config, step)
    _log.info("Wrote %s", prefix)
    flags = [f"--{name} {value}" for name, (value, _) in config.differences(Config()).items()]
    _log.info("Its flags, for training and testing: %s", " ".join(flags))


def _check_run(config: Config, step: int) -> None:
    """Refuses a run that has a checkpoint of this step, or checkpoints of another network."""
    folder = RunFolder(config.run_checkpoint_dir)
    _check_target(folder.path, f"{config.model_name}.model-{step}", "--checkpoint_dir", ours=True)
    if not folder.checkpoints(config.model_name):
        return
    saved = folder.config()
    if saved is None:
        raise RunError(
            f"{folder.path} has checkpoints but no {CONFIG_FILE}, which would describe their network: give another "
            "--checkpoint_dir."
        )
    check_agrees(config, saved)


def _read_reference(source: Bundle, skeleton: _Skeleton) -> dict[str, tf.Variable]:
    """Reads a checkpoint of the reference into our paths, with either all of Adam's moments or none."""
    table = skeleton.weights
    if any(name in source.shapes for name in skeleton.slots):
        table = table | skeleton.slots
        for name in _POWERS:
            source.shape(name, rank=0)
    others = _POWERS
    if not skeleton.slots:
        others += tuple(f"{name}/{moment}" for name in table for moment in ("Adam", "Adam_1"))
    return {variable.path: tf.Variable(values) for variable, values in source.matched(table, others)}


def export_checkpoint(folder: Path, config: Config) -> None:
    """Writes a run's newest checkpoint into a folder in the reference's format.

    Args:
        folder: the folder to write to; the reference reads from its `checkpoint/<model_dir>`.
        config: the configuration of the run.

    Raises:
        RunError: The run has no checkpoint, or the folder holds a checkpoint already. Nothing was written.
    """
    checkpoint = open_run(config, directions=None)
    source, config = checkpoint.bundle, checkpoint.config
    if not source.object_based:
        raise RunError(f"{source.prefix} is a checkpoint of the reference already.")
    tf1.check_is_possible(config)
    # The reference counts steps from 1.
    prefix = folder / f"{config.model_name}.model-{checkpoint.step + 1}"
    _check_target(folder, prefix.name, "--to_checkpoint", ours=False)
    _log.info("Converting %s", source.prefix)

    skeleton = _skeleton(config, discriminators=source.has_discriminators)
    averages = source.averages
    pairs = source.matched(by_key(skeleton.state), (*BOOKKEEPING, *averages))
    values = {variable.path: tensor for variable, tensor in pairs}
    tensors = {name: values[variable.path] for name, variable in (skeleton.weights | skeleton.slots).items()}
    if skeleton.slots:
        for path, names in (
            (skeleton.generator_updates, tf1.GENERATOR_POWERS),
            (skeleton.discriminator_updates, tf1.DISCRIMINATOR_POWERS),
        ):
            tensors |= zip(names, tf1.beta_powers(int(values[path])), strict=True)
    else:
        _log.info("It holds generators alone, without Adam's moments.")
    if averages:
        _log.info("Its moving average is left out: the reference gets the weights themselves and can resume from them.")
    bundle.write(prefix, tensors)
    _log.info("Wrote %s", prefix)


def _check_target(folder: Path, name: str, flag: str, *, ours: bool) -> None:
    """Refuses a folder that holds a checkpoint of this name, or checkpoints of the other program."""
    for index in sorted(folder.glob("*.index")):
        prefix = index.with_suffix("")
        if prefix.name == name:
            raise RunError(f"{prefix} exists already, and nothing is overwritten: give another {flag}.")
        if Bundle(prefix).object_based != ours:
            owner = "the reference" if ours else "this program"
            raise RunError(
                f"{folder} holds checkpoints of {owner}; the two kinds cannot share a folder: give another {flag}."
            )
