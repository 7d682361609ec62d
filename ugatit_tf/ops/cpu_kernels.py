"""Whether networks may be computed in ways that are for this machine alone."""

import contextlib
from collections.abc import Iterator

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_scopes = [False]


@contextlib.contextmanager
def run_here() -> Iterator[None]:
    """Lets what is called inside the context take forms for this machine alone, as no export should have."""
    _scopes.append(True)
    try:
        yield
    finally:
        _scopes.pop()


def on_cpu() -> bool:
    """Whether TensorFlow computes, and has no GPU."""
    return keras.backend.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU")


def on_this_cpu() -> bool:
    """Whether forms for this machine's CPU may be taken: inside of `run_here`, without a GPU."""
    return _scopes[-1] and on_cpu()
