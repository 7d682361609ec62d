"""Memory of a training: an estimate, what there is, and which flags would take less."""

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
from ugatit_tf.system import allocator, device, share
from ugatit_tf.training.losses import gan_loss
from ugatit_tf.training.networks import build_discriminator, build_generator

_FLOAT32 = 4  # bytes

# Fitted to peaks measured on a CPU: 64 to 512 px, ch 16 to 64, batch 1 to 4, light and full. These were 8 % less to
# 24 % more, and 33 % more at batch 2: what is there at once depends on the order in which TensorFlow runs operations.
_GRAPH = 500_000_000  # bytes that the step's graph and TensorFlow's threads take
_KEPT_OF_FEATURES = 1.9  # copies of each feature map that wait for the backward pass
_KEPT_WITH_RECOMPUTE = 1.5
_KEPT_BESIDE = 1.2  # more of them where the two directions run beside each other
_COPIES_OF_DISCRIMINATORS = 0.8  # of the kernels, beside their gradients
_COPIES_FOR_PENALTY = 2.3  # likewise, where gradients have gradients
_WORTHWHILE = 0.97  # of what is needed now
_AMPLE = 1.25  # times what is needed: steps of batches take about a quarter less time with 20 % more memory


class Estimate(NamedTuple):
    """The memory that a training step needs, in bytes.

    Attributes:
        weights: of all networks.
        optimizer: Adam's two moments.
        gradients: as many as there are at once.
        activations: what the step keeps for the backward pass, and everything else that is there for a moment.
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
    """What a training takes, beyond TensorFlow itself; builds no weights, takes no memory.

    Args:
        config: of the training.
        threads: that it is to run with; None: one operation at a time.
    """
    generators, discriminators = _weights(build_generator, config), _weights(build_discriminator, config)
    trained = generators + discriminators
    weights = trained + generators * (config.ema > 0)
    # Those of the discriminators are gone before the generators' come; large kernels have one at a time, if any.
    gradients = max(discriminators, generators / 2)
    # Values in a generator's feature maps: two at full size, two at half, the rest at a quarter.
    features = config.img_size**2 * config.ch * (2 + 1 + (2 + 4 * config.n_res) / 4)
    images = 6 * config.batch_size  # two translated, two translated back, two identities
    copies = _COPIES_OF_DISCRIMINATORS + _COPIES_FOR_PENALTY * (gan_loss(config.gan_type).penalty is not None)
    kept = _KEPT_WITH_RECOMPUTE if config.recompute else _KEPT_OF_FEATURES
    if threads and threads.operations > 1:
        kept += _KEPT_BESIDE
    activations = _GRAPH + kept * _FLOAT32 * features * images + copies * discriminators
    return Estimate(weights, 2 * trained, gradients, activations)


def _weights(build: Callable[[Config, str], keras.Model], config: Config) -> int:
    """Bytes of the weights of two such networks, one a domain."""
    return 2 * _FLOAT32 * _count(build, Config(**{name: getattr(config, name) for name in ARCHITECTURE}))


@functools.cache
def _count(build: Callable[[Config, str], keras.Model], config: Config) -> int:
    with tf.Graph().as_default(), tf.variable_creator_scope(lambda _, **kwargs: object()):  # Keras knows the shapes
        return build(config, "A").count_params()


def threads(config: Config) -> device.Threads | None:
    """How a training's operations share out a CPU: its two directions beside each other, where there is memory for it.

    None where that is for `device.prepare` to say: on a GPU, with too little memory, and where the same bits are wanted
    whatever else needs memory.
    """
    if config.deterministic or device.gpus():
        return None
    beside = device.two_operations()
    return beside if estimate(config, beside).total <= available() else None


def report(config: Config, threads: device.Threads | None = None, team: Team | None = None) -> str:
    """What the training takes against what there is, and, where that is too little, what would fit: a line each.

    With a team, what is said is of one GPU, or of all parts of a CPU together.
    """
    copies = 1
    if team:
        config = dataclasses.replace(config, batch_size=config.batch_size // team.size)
        copies = 1 if device.gpus() else team.size_here
    needed, room = Estimate(*(copies * part for part in estimate(config, threads))), available()
    text = f"Memory: about {needed} of {_gb(room)} available"
    if needed.total <= room:
        return text
    fitting = [f"{flags} ({_gb(less.total)})" for flags, less in _savings(config) if less.total <= room]
    if fitting:
        return f"{text}\nWarning: that is too little memory. Would fit: {', or '.join(fitting)}."
    return f"{text}\nWarning: that is too little memory, and would be with any flag. {_less(config)}"


def keep_freed_if_ample(config: Config, threads: device.Threads | None = None) -> None:
    """Lets the allocator keep what steps free, where they are of more than one image a domain and there is room."""
    if config.batch_size > 1 and _AMPLE * estimate(config, threads).total <= available():
        allocator.keep_freed()


@contextlib.contextmanager
def advice(config: Config) -> Iterator[None]:
    """A context in which memory may run out.

    Raises:
        RunError: where it does: with what the training takes, and what would take less.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise RunError(f"Out of memory. A step takes about {estimate(config)}. {_less(config)}") from error


def available() -> int:
    """Returns the bytes of the GPU if there is one, else those that this process can still get."""
    gpus = device.gpus()
    total = _of_gpu(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "")) if gpus else None
    if total is not None:
        return total
    return share.available_memory()


def _of_gpu(name: str) -> int | None:
    """The memory of a GPU; None where it cannot be learnt."""
    command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.splitlines()
        sizes = [int(size) for found, _, size in (line.rpartition(", ") for line in lines) if found == name]
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return min(sizes, default=0) * 2**20 or None


def _savings(config: Config) -> list[tuple[str, Estimate]]:
    """Flags that would take less memory, each with what would be needed then; all of them together come last.

    `--precision` is none: what has fewer bits in a step is there only for a moment.
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
    return [(flags, less) for flags, less in savings if less.total < _WORTHWHILE * estimate(config).total]


def _less(config: Config) -> str:
    smaller = [f"{flags} ({_gb(less.total)})" for flags, less in _savings(config)]
    return f"Less would be: {', '.join(smaller)}." if smaller else "No flag would take much less."


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"
