"""Checkpoints of the TensorFlow 1 reference, both ways, and of the PyTorch port, to this program."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf.checkpoints import bundle, tf1_architecture, tf1_checkpoint, variables, writer
from ugatit_tf.checkpoints.bundle import BOOKKEEPING, Bundle, by_key
from ugatit_tf.checkpoints.checkpoint import check_agrees, open_run
from ugatit_tf.checkpoints.folder import RunFolder, find_prefix
from ugatit_tf.checkpoints.pytorch import reader
from ugatit_tf.checkpoints.pytorch.source import Source
from ugatit_tf.checkpoints.tf1_checkpoint import DISCRIMINATOR_POWERS, GENERATOR_POWERS
from ugatit_tf.config import CONFIG_FILE, Config
from ugatit_tf.errors import RunError
from ugatit_tf.system import lock
from ugatit_tf.training.ugatit import UGATIT

_POWERS = (*GENERATOR_POWERS, *DISCRIMINATOR_POWERS)


class _Skeleton(NamedTuple):
    """A model's variables, which have names and shapes but no values.

    Attributes:
        weights: the reference's names of the networks' variables.
        slots: the reference's names of Adam's moments; empty where there are generators alone.
        step: the path of the count of steps; so for the rest.
        state: every variable that a checkpoint of ours holds.
    """

    weights: dict[str, keras.Variable]
    slots: dict[str, keras.Variable]
    state: list[keras.Variable]
    step: str
    generator_updates: str
    discriminator_updates: str


def _skeleton(config: Config, *, discriminators: bool) -> _Skeleton:
    with tf.Graph().as_default():  # here nothing is computed either: eight gigabytes of variables cost nothing
        model = UGATIT(dataclasses.replace(config, ema=0.0))  # the reference has no averages
        model.compile()
    optimizers = (model.generator_optimizer, model.discriminator_optimizer)
    networks = (model.generator_A, model.generator_B)
    if discriminators:
        networks += (model.discriminator_A, model.discriminator_B)
    trained = [variable for network in networks for variable in network.variables]
    weights = tf1_checkpoint.reference_names(trained)
    slots = (slot for optimizer in optimizers for slot in optimizer.slots) if discriminators else ()
    return _Skeleton(
        weights,
        tf1_checkpoint.slot_names(weights, slots),
        model.state if discriminators else trained,
        model.step.path,
        *(optimizer.iterations.path for optimizer in optimizers),
    )


def bring_in(path: Path, asked: Config) -> None:
    """Puts a checkpoint of another program into the folder of the run that it is of, and says how to go on.

    Args:
        path: of a checkpoint of the reference, one of its files, or its folder; or of a file of the PyTorch port's.
        asked: for what the checkpoint does not tell.

    Raises:
        RunError: where the checkpoint, the flags or the run's folder do not allow it; nothing is written then.
    """
    if path.suffix in reader.SUFFIXES:
        with reader.opened(path) as content:
            _bring_in_from_pytorch(Source(path, content), asked)
        return
    source = Bundle(find_prefix(path))
    config, found = tf1_architecture.read(source, asked)
    with lock.hold(config.run_checkpoint_dir):
        _add(source, config, found)


def _add(source: Bundle, config: Config, found: str) -> None:
    updates = tf1_checkpoint.updates(source, config.n_critic)
    step = updates.discriminators
    _check_run(config, step)
    print(f"Converting {source.prefix}")
    print(f"Found {found}")
    print(f"Step {step}: {updates.source}")

    discriminators = tf1_architecture.has_discriminators(source)
    skeleton = _skeleton(config, discriminators=discriminators)
    values = _read_reference(source, skeleton)
    counts = {skeleton.step: step}
    if not discriminators:
        print("It holds generators alone: training on starts new discriminators, with a new Adam.")
    elif any(variable.path in values for variable in skeleton.slots.values()):
        counts |= {skeleton.generator_updates: updates.generators, skeleton.discriminator_updates: step}
    else:
        print("It holds no slots of Adam's: they are zeros, and training goes on with a new Adam.")
    for variable in skeleton.state:
        if variable.path not in values:
            values[variable.path] = tf.Variable(np.full(variable.shape, counts.get(variable.path, 0), variable.dtype))
    _write(values, config, step)


def _bring_in_from_pytorch(source: Source, asked: Config) -> None:
    config, found = source.read_config(asked)
    step = source.step or 0
    with lock.hold(config.run_checkpoint_dir):
        _check_run(config, step)
        print(f"Converting {source.path}")
        print(f"Found from the tensors: {found}")
        print(f"Step {step}: {'none in' if source.step is None else 'from'} the file's name")
        print("Its discriminators are left out: training on starts new ones, with a new Adam.")
        _write(source.values(config, _skeleton(config, discriminators=False).state), config, step)


def _write(values: Mapping[str, tf.Variable], config: Config, step: int) -> None:
    prefix = writer.add(values, config, step)
    print(f"Wrote {prefix}")
    flags = [f"--{name} {value}" for name, (value, _) in config.differences(Config()).items()]
    print(f"Its flags, for training and testing: {' '.join(flags)}")


def _check_run(config: Config, step: int) -> None:
    """Refuses a run that has a checkpoint of this step, or whose checkpoints are of another network."""
    folder = RunFolder(config.run_checkpoint_dir)
    _check_target(folder.path, f"{config.model_name}.model-{step}", "--checkpoint_dir", ours=True)
    if not folder.checkpoints(config.model_name):
        return
    saved = folder.config()
    if saved is None:
        raise RunError(
            f"{folder.path} has checkpoints but no {CONFIG_FILE}, so that nothing tells of what network they are: give "
            "another --checkpoint_dir."
        )
    check_agrees(config, saved)


def _read_reference(source: Bundle, skeleton: _Skeleton) -> dict[str, tf.Variable]:
    """What a checkpoint of the reference holds, by our paths: all the slots or none of them."""
    table = skeleton.weights
    if any(name in source.shapes for name in skeleton.slots):
        table = table | skeleton.slots
        for name in _POWERS:
            source.shape(name, rank=0)
    others = _POWERS
    if not skeleton.slots:
        others += tuple(f"{name}/{moment}" for name in table for moment in ("Adam", "Adam_1"))
    return {variable.path: tf.Variable(values) for variable, values in source.matched(table, others)}


def write_out(folder: Path, config: Config) -> None:
    """Writes a run's newest checkpoint into a folder as the reference would have written it.

    Args:
        folder: for the reference to find it, its `checkpoint/<model_dir>`.
        config: of the run.

    Raises:
        RunError: where there is no such checkpoint, or the folder does not allow it; nothing is written then.
    """
    checkpoint = open_run(config, directions=None)
    source, config = checkpoint.bundle, checkpoint.config
    if not source.object_based:
        raise RunError(f"{source.prefix} is of the reference already.")
    tf1_architecture.check_is_possible(config)
    # The reference counts from 1.
    prefix = folder / f"{config.model_name}.model-{checkpoint.step + 1}"
    _check_target(folder, prefix.name, "--to_checkpoint", ours=False)
    print(f"Converting {source.prefix}")

    skeleton = _skeleton(config, discriminators=variables.has_discriminators(source.shapes))
    # One at a time, where TensorFlow's own restore would hold everything twice.
    averages = variables.averages(source.shapes)
    pairs = source.matched(by_key(skeleton.state), (*BOOKKEEPING, *averages))
    values = {variable.path: tensor for variable, tensor in pairs}
    tensors = {name: values[variable.path] for name, variable in (skeleton.weights | skeleton.slots).items()}
    if skeleton.slots:
        for path, names in (
            (skeleton.generator_updates, GENERATOR_POWERS),
            (skeleton.discriminator_updates, DISCRIMINATOR_POWERS),
        ):
            tensors |= zip(names, tf1_checkpoint.beta_powers(int(values[path])), strict=True)
    else:
        print("It holds generators alone, without Adam's slots.")
    if averages:
        print("Its moving average is left out: the reference gets the weights themselves, to train on from.")
    bundle.write(prefix, tensors)
    print(f"Wrote {prefix}")


def _check_target(folder: Path, name: str, flag: str, *, ours: bool) -> None:
    """Refuses a folder that has a checkpoint of this name, or checkpoints of the other program."""
    for index in sorted(folder.glob("*.index")):
        prefix = index.with_suffix("")
        if prefix.name == name:
            raise RunError(f"{prefix} exists already, and nothing is overwritten: give another {flag}.")
        if Bundle(prefix).object_based != ours:
            owner = "the reference" if ours else "this program"
            raise RunError(f"{folder} holds checkpoints of {owner}, which are not to be mixed: give another {flag}.")
