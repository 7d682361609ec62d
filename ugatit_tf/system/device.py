"""The device that a command runs on, and TensorFlow's settings for it."""

import contextlib
import os
from collections.abc import Sequence
from typing import NamedTuple, Self

import tensorflow as tf

from ugatit_tf.errors import UsageError
from ugatit_tf.system import startup


class Threads(NamedTuple):
    """How a CPU's cores are shared out among a graph's operations.

    Attributes:
        operations: how many of them run at a time.
        cores: that each of these takes.
    """

    operations: int
    cores: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What a flag such as `2x1` says; None where it is not set."""
        return cls(*map(int, text.split("x"))) if text else None

    def __str__(self) -> str:
        each = " each" if self.operations > 1 else ""
        return f"{_counted(self.operations, 'operation')} at a time, on {_counted(self.cores, 'core')}{each}"


def one_operation() -> Threads:
    """All cores for one operation at a time: fastest where a graph is a chain, as a generator's is; least memory."""
    return Threads(1, os.cpu_count() or 1)


def two_operations() -> Threads:
    """Half of the cores each for two: fastest where a graph has two sides, as a training step has two directions."""
    cores = os.cpu_count() or 1
    return Threads(2, cores // 2) if cores > 1 else one_operation()


def prepare(threads: Threads | None = None, *, deterministic: bool = False, devices: Sequence[str] = ()) -> str:
    """Sets TensorFlow up, before anything runs on it: GPU memory grows as needed, graphs start fast.

    Args:
        threads: on a CPU; None: `one_operation()`. With a GPU, TensorFlow's own choice stands unless some are given.
        deterministic: whether every operation has to give the same bits each time, for the rest of the process.
        devices: those to use, such as "GPU:1", or "CPU:0" and "CPU:1" for a CPU taken for two; none: all there are.

    Returns:
        The device as the user is told it, and where to read more if it is not a GPU.

    Raises:
        UsageError: where there is no such device.
    """
    # Grappler would take longer over the training step's graph than it ever wins back: fusions that do not need it
    # (convolution and bias) happen all the same.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    if devices:
        _select(devices)
    visible = gpus()
    if not visible:
        threads = threads or one_operation()
    if threads:
        threads = _share_out(threads)
    if not visible:
        why = "TensorFlow cannot use the GPU of this machine," if startup.expects_gpu() else "for a GPU"
        return f"CPU ({threads}); {why} see docs/troubleshooting.md"
    for gpu in visible:
        tf.config.experimental.set_memory_growth(gpu, True)
    name = tf.config.experimental.get_device_details(visible[0]).get("device_name", visible[0].name)
    return f"GPU {name}" if len(visible) == 1 else f"{len(visible)} GPUs {name}"


def gpus() -> list[tf.config.PhysicalDevice]:
    """The GPUs that TensorFlow uses."""
    return tf.config.get_visible_devices("GPU")


def _select(devices: Sequence[str]) -> None:
    """Lets TensorFlow use some devices alone."""
    kind = devices[0].partition(":")[0]
    there = tf.config.list_physical_devices(kind)
    if kind == "CPU":
        tf.config.set_visible_devices([], "GPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in devices]
        tf.config.set_logical_device_configuration(there[0], parts)
        return
    numbers = [int(device.partition(":")[2]) for device in devices]
    if max(numbers) >= len(there):
        raise UsageError(f"--devices {','.join(devices)}: TensorFlow sees {_counted(len(there), 'GPU')}.")
    tf.config.set_visible_devices([there[number] for number in numbers], kind)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _share_out(threads: Threads) -> Threads:
    """Tells TensorFlow its threads, and returns those it has: once something ran, they stay as they are."""
    setting = tf.config.threading
    with contextlib.suppress(RuntimeError):
        setting.set_inter_op_parallelism_threads(threads.operations)
        setting.set_intra_op_parallelism_threads(threads.cores)
    return Threads(setting.get_inter_op_parallelism_threads(), setting.get_intra_op_parallelism_threads())


def for_batches() -> str | None:
    """The device to prefetch batches to; None for the host's memory."""
    return "/GPU:0" if gpus() else None
