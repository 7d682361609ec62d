"""CPU kernels: convolutions made of operations that a CPU is quicker at than at its own convolution."""

import contextlib
from contextvars import ContextVar

import keras

from ugatit_tf.ops.scopes import setting

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_enabled = ContextVar("cpu_kernels", default=False)


def cpu_kernels() -> contextlib.AbstractContextManager[None]:
    """Lets what is called inside the block use CPU kernels where there is no GPU.

    They are tuned to the machine that traces a graph: no exported graph should hold them.
    """
    return setting(_enabled, True)


def on_cpu() -> bool:
    """Whether TensorFlow computes, and has no GPU."""
    return keras.backend.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU")


def uses_cpu_kernels() -> bool:
    """Whether CPU kernels may be used here: inside of `cpu_kernels`, without a GPU."""
    return _enabled.get() and on_cpu()
