"""CPU kernels: convolutions made of operations that take a CPU less time than TensorFlow's convolution.

They are used only inside a `cpu_kernels` block, and only where TensorFlow finds no GPU.
"""

import contextlib
from contextvars import ContextVar

import tensorflow as tf

from ugatit_tf.ops.scopes import setting

_enabled = ContextVar("cpu_kernels", default=False)


def cpu_kernels() -> contextlib.AbstractContextManager[None]:
    """Lets the operations called inside the block use CPU kernels where there is no GPU.

    Do not trace a graph for export inside it. An exported graph may run on a GPU, or as TFLite's integers, where plain
    convolutions are faster.
    """
    return setting(_enabled, True)


def on_cpu() -> bool:
    """Returns whether TensorFlow has no GPU."""
    return not tf.config.list_physical_devices("GPU")


def uses_cpu_kernels() -> bool:
    """Returns whether the caller may use CPU kernels: inside a `cpu_kernels` block, without a GPU."""
    return _enabled.get() and on_cpu()
