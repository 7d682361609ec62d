"""The device that a command runs on, and TensorFlow's settings for it."""

import contextlib
import os
from typing import NamedTuple, Self

import tensorflow as tf

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


def prepare(threads: Threads | None = None, *, deterministic: bool = False) -> str:
    """Sets TensorFlow up, before anything runs on it: GPU memory grows as needed, graphs start fast.

    Args:
        threads: on a CPU; None: `one_operation()`. With a GPU, TensorFlow's own choice stands unless some are given.
        deterministic: whether every operation has to give the same bits each time, for the rest of the process.

    Returns:
        The device as the user is told it, and where to read more if it is not a GPU.
    """
    # Grappler would take longer over the training step's graph than it ever wins back: fusions that do not need it
    # (convolution and bias) happen all the same.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        threads = threads or one_operation()
    if threads:
        threads = _share_out(threads)
    if not gpus:
        why = "TensorFlow cannot use the GPU of this machine," if startup.expects_gpu() else "for a GPU"
        return f"CPU ({threads}); {why} see docs/troubleshooting.md"
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return "GPU " + tf.config.experimental.get_device_details(gpus[0]).get("device_name", gpus[0].name)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _share_out(threads: Threads) -> Threads:
    """Tells TensorFlow its threads, and returns those it has: once something ran, they stay as they are."""
    setting = tf.config.threading
    with contextlib.suppress(RuntimeError):
        setting.set_inter_op_parallelism_threads(threads.operations)
        setting.set_intra_op_parallelism_threads(threads.cores)
    return Threads(setting.get_inter_op_parallelism_threads(), setting.get_intra_op_parallelism_threads())


def for_batches() -> str | None:
    """The device to prefetch batches to; None for the host's memory."""
    return "/GPU:0" if tf.config.list_physical_devices("GPU") else None
