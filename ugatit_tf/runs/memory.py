"""The memory of a training: an estimate, the available memory, and the flags that would need less."""

import contextlib
import dataclasses
import functools
import subprocess
from collections.abc import Callable, Iterator
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.config import ARCHITECTURE, SMALLEST_N_DIS, Config, deepest_n_dis, lowered_n_dis
from ugatit_tf.distribution.team import Team
from ugatit_tf.errors import RunError
from ugatit_tf.system import device, share
from ugatit_tf.training.losses import GAN_LOSSES
from ugatit_tf.training.networks import build_discriminator, build_generator

_FLOAT32 = 4  # bytes

# Fitted to peaks measured on a CPU: 64 to 512 px, ch 16 to 64, batch 1 to 4, light and full. The peaks were between 8 %
# below and 24 % above the estimate, and 33 % above at batch 2, because the order in which TensorFlow runs operations
# decides how many tensors exist at once.
_GRAPH = 500_000_000  # bytes of the step's graph and TensorFlow's threads
_KEPT_OF_FEATURES = 1.9  # copies of each feature map that wait for the backward pass
_KEPT_WITH_RECOMPUTE = 1.5
_KEPT_BESIDE = 1.2  # further copies if the two directions run at the same time
_COPIES_OF_DISCRIMINATORS = 0.8  # copies of the kernels, in addition to their gradients
_COPIES_FOR_PENALTY = 2.3  # further copies for a penalty, whose gradients have gradients
_WORTHWHILE = 0.97  # a flag is suggested if it needs less than this share
_AMPLE = 1.25  # share of the need: steps of batches take about a quarter less time with 20 % more memory


class Estimate(NamedTuple):
    """The memory that a training step needs, in bytes.

    Attributes:
        weights: the weights of all networks.
        optimizer: Adam's two moments.
        gradients: the gradients that exist at the same time.
        activations: the tensors that the step keeps for the backward pass, and all other temporary tensors.
    """

    weights: float
    optimizer: float
    gradients: float
    activations: float

    @property
    def total(self) -> float:
        return sum(self)

    def __str__(self) -> str:
        parts = ", ".join(f"{name} {value / 1e9:.1f}" for name, value in self._asdict().items())
        return f"{_gb(self.total)} ({parts})"


def estimate(config: Config, threads: device.Threads | None = None) -> Estimate:
    """Estimates the memory of a training, without TensorFlow itself; the estimate makes no weights.

    Args:
        config: the configuration of the training.
        threads: the threads of the training; None: one operation at a time.
    """
    generators, discriminators = _weights(build_generator, config), _weights(build_discriminator, config)
    trained = generators + discriminators
    weights = trained + generators * (config.ema > 0)
    # The discriminators' gradients are freed before the generators' exist. At most one large kernel has a gradient.
    gradients = max(discriminators, generators / 2)
    # Values in a generator's feature maps: two at full size, two at half, the rest at a quarter.
    features = config.img_size**2 * config.ch * (2 + 1 + (2 + 4 * config.n_res) / 4)
    images = 6 * config.batch_size  # two translations, two reconstructions, two identity images
    copies = _COPIES_OF_DISCRIMINATORS + _COPIES_FOR_PENALTY * (GAN_LOSSES[config.gan_type].penalty is not None)
    kept = _KEPT_WITH_RECOMPUTE if config.recompute else _KEPT_OF_FEATURES
    if threads and threads.operations > 1:
        kept += _KEPT_BESIDE
    activations = _GRAPH + kept * _FLOAT32 * features * images + copies * discriminators
    return Estimate(weights, 2 * trained, gradients, activations)


def _weights(build: Callable[[Config, str], keras.Model], config: Config) -> int:
    """Returns the bytes of the weights of two such networks, one for each domain."""
    return 2 * _FLOAT32 * _count(build, Config(**{name: getattr(config, name) for name in ARCHITECTURE}))


@functools.cache
def _count(build: Callable[[Config, str], keras.Model], config: Config) -> int:
    with tf.Graph().as_default(), tf.variable_creator_scope(lambda _, **kwargs: object()):  # Keras knows the shapes
        return build(config, "A").count_params()


def threads(config: Config) -> device.Threads | None:
    """Returns threads that run the two directions of a step at the same time, or None for the default threads.

    The result is None on a GPU, if the memory is not enough, and for a deterministic training, whose numbers must not
    depend on the memory that other programs need.
    """
    if config.deterministic or device.gpus():
        return None
    two = device.two_operations()
    return two if estimate(config, two).total <= available() else None


def report(config: Config, threads: device.Threads | None = None, team: Team | None = None) -> str:
    """Returns lines with the needed and the available memory and, if that is too little, flags that would fit.

    With a team, the numbers are those of one GPU, or of all parts of a CPU together.
    """
    copies = 1
    if team:
        config = dataclasses.replace(config, batch_size=config.batch_size // team.size)
        copies = 1 if device.gpus() else team.size_here
    needed, room = Estimate(*(copies * part for part in estimate(config, threads))), available()
    text = f"Memory: about {needed} of {_gb(room)} available"
    if needed.total <= room:
        return text
    fitting = [f"{flags} ({_gb(need.total)})" for flags, need in _savings(config) if need.total <= room]
    if fitting:
        return f"{text}\nWarning: that is too little memory. Would fit: {', or '.join(fitting)}."
    return f"{text}\nWarning: that is too little memory, and would be with any flag. {_suggest(config)}"


def keep_freed_if_ample(config: Config, threads: device.Threads | None = None) -> None:
    """Makes malloc keep freed memory if batches have several images of a domain and there is enough memory."""
    if config.batch_size > 1 and _AMPLE * estimate(config, threads).total <= available():
        share.keep_freed_memory()


@contextlib.contextmanager
def advice(config: Config) -> Iterator[None]:
    """A context in which memory may run out.

    Raises:
        RunError: Memory runs out. The message has the estimate, and the flags that would need less.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise RunError(f"Out of memory. A step takes about {estimate(config)}. {_suggest(config)}") from error


def available() -> int:
    """Returns the bytes of the GPU if there is one, else the bytes that this process can still get."""
    gpus = device.gpus()
    total = _gpu_memory(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "")) if gpus else None
    return share.available_memory() if total is None else total


def _gpu_memory(name: str) -> int | None:
    """Returns the bytes of a GPU; None if they are not known."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.splitlines()
        sizes = [int(size) for found, _, size in (line.rpartition(", ") for line in lines) if found == name]
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return min(sizes, default=0) * 2**20 or None


def _savings(config: Config) -> list[tuple[str, Estimate]]:
    """Returns flags that need less memory, each with its estimate; all of them together come last.

    `--precision` is not among them: tensors of fewer bits exist only for a moment.
    """
    changes: dict[str, dict[str, object]] = {}
    if not config.light:
        changes["--light True"] = {"light": True}
    if config.batch_size > 1:
        changes["--batch_size 1"] = {"batch_size": 1}
    if not config.recompute:
        changes["--recompute True"] = {"recompute": True}
    half = config.img_size // 8 * 4
    if deepest_n_dis(half) >= SMALLEST_N_DIS:
        changes[f"--img_size {half}"] = {"img_size": half, "n_dis": lowered_n_dis(config.n_dis, half)}
    if len(changes) > 1:
        changes[" ".join(changes)] = {name: value for change in changes.values() for name, value in change.items()}
    savings = [(flags, estimate(dataclasses.replace(config, **change))) for flags, change in changes.items()]
    return [(flags, need) for flags, need in savings if need.total < _WORTHWHILE * estimate(config).total]


def _suggest(config: Config) -> str:
    """Returns a sentence with the flags that would need less memory."""
    smaller = [f"{flags} ({_gb(need.total)})" for flags, need in _savings(config)]
    return f"Less would be: {', '.join(smaller)}." if smaller else "No flag would take much less."


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
