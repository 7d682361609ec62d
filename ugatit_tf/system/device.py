"""Chooses the device that a command runs on, and sets TensorFlow up for it."""

import contextlib
import logging
from collections.abc import Sequence
from typing import NamedTuple, Self

import tensorflow as tf

from ugatit_tf.errors import UsageError
from ugatit_tf.system import share, startup

_log = logging.getLogger(__name__)


class Threads(NamedTuple):
    """How the operations of a graph share the cores of a CPU.

    Attributes:
        operations: the number of operations that run at a time.
        cores: the number of cores that each operation uses.
    """

    operations: int
    cores: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parses a flag such as `2x1`; returns None if it is empty."""
        return cls(*map(int, text.split("x"))) if text else None

    def __str__(self) -> str:
        each = " each" if self.operations > 1 else ""
        return f"{_counted(self.operations, 'operation')} at a time, on {_counted(self.cores, 'core')}{each}"


def one_operation() -> Threads:
    """Returns all cores for one operation: least memory, and fastest for a chain of operations, as in a generator."""
    return Threads(1, share.cores())


def two_operations() -> Threads:
    """Returns half of the cores for each of two operations: fastest for a training step, which has two directions."""
    cores = share.cores()
    return Threads(2, cores // 2) if cores > 1 else one_operation()


def prepare(
    threads: Threads | None = None,
    *,
    deterministic: bool = False,
    devices: Sequence[str] = (),
    precision: str = "float32",
    jit: bool = False,
) -> str:
    """Sets TensorFlow up before it computes anything: GPU memory grows as needed, and graphs start fast.

    It logs a warning if the CPU computes slowly in `precision`, or with XLA.

    Args:
        threads: the threads of the CPU; None: `one_operation()`. On a GPU, None leaves the choice to TensorFlow.
        deterministic: whether each operation computes the same bits in every process.
        devices: the devices to use, such as "GPU:1", or "CPU:0" and "CPU:1" for two parts of the CPU; none: all.
        precision: the number type in which the networks multiply.
        jit: whether XLA compiles the training step.

    Returns:
        The device in words, and where to read more if it is no GPU.

    Raises:
        UsageError: There is no such device.
    """
    # Grappler takes longer to optimize the training step's graph than the optimized graph saves. The fusion of
    # convolution and bias does not need it.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    if devices:
        _select(devices)
    visible = gpus()
    if not visible:
        threads = threads or one_operation()
        _warn_of_slow_choices(precision, jit)
    if threads:
        threads = _set_threads(threads)
    if not visible:
        why = "TensorFlow cannot use the GPU of this machine," if startup.expects_gpu() else "for a GPU"
        return f"CPU ({threads}); {why} see docs/troubleshooting.md"
    for gpu in visible:
        tf.config.experimental.set_memory_growth(gpu, True)
    name = tf.config.experimental.get_device_details(visible[0]).get("device_name", visible[0].name)
    return f"GPU {name}" if len(visible) == 1 else f"{len(visible)} GPUs {name}"


def _warn_of_slow_choices(precision: str, jit: bool) -> None:
    """Logs a warning for each flag that makes a GPU faster but this CPU slower."""
    if share.processor_lacks(precision):
        _log.warning(
            "--precision %s makes this CPU slower: it has no instructions for that type and converts each number. "
            "A step took about twice as long as in float32 on such a processor.",
            precision,
        )
    if jit:
        _log.warning("--jit True makes a CPU slower: XLA replaces the convolutions of oneDNN. It is meant for GPUs.")


def gpus() -> list[tf.config.PhysicalDevice]:
    """Returns the GPUs that TensorFlow uses."""
    return tf.config.get_visible_devices("GPU")


def _select(devices: Sequence[str]) -> None:
    """Restricts TensorFlow to some devices."""
    kind = devices[0].partition(":")[0]
    found = tf.config.list_physical_devices(kind)
    if kind == "CPU":
        tf.config.set_visible_devices([], "GPU")
        parts = [tf.config.LogicalDeviceConfiguration() for _ in devices]
        tf.config.set_logical_device_configuration(found[0], parts)
        return
    numbers = [int(device.partition(":")[2]) for device in devices]
    if max(numbers) >= len(found):
        raise UsageError(f"--devices {','.join(devices)}: TensorFlow sees {_counted(len(found), 'GPU')}.")
    tf.config.set_visible_devices([found[number] for number in numbers], kind)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _set_threads(threads: Threads) -> Threads:
    """Sets TensorFlow's threads, and returns those in use: they stay once TensorFlow has computed something."""
    setting = tf.config.threading
    with contextlib.suppress(RuntimeError):
        setting.set_inter_op_parallelism_threads(threads.operations)
        setting.set_intra_op_parallelism_threads(threads.cores)
    return Threads(setting.get_inter_op_parallelism_threads(), setting.get_intra_op_parallelism_threads())
