"""Graphs that calls share: what a network does many times over is then traced once."""

from collections.abc import Callable
from typing import TypeVar

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_Function = TypeVar("_Function", bound=Callable)


def shared(function: _Function) -> _Function:
    """Has calls with tensors of the same shapes and types share a graph, on TensorFlow.

    Args:
        function: of tensors to tensors; reads no variables.
    """
    return tf.function(function, autograph=False) if keras.backend.backend() == "tensorflow" else function
