"""Graphs that calls share: what a network does many times over is then traced once."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import keras

from ugatit_tf.ops.cpu import uses_cpu_kernels

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_Function = TypeVar("_Function", bound=Callable)


def read(value: Any) -> Any:
    """A variable's value as a tensor, which `ops.convert_to_tensor` does not make of it; anything else as it is."""
    if keras.backend.backend() == "tensorflow" and isinstance(value, keras.Variable):
        return tf.convert_to_tensor(value)
    return value


def shared(function: _Function) -> _Function:
    """Lets calls with tensors of the same shapes and types share a graph, on TensorFlow.

    Args:
        function: of tensors to tensors; reads no variables but those that it is called with.
    """
    if keras.backend.backend() != "tensorflow":
        return function

    @functools.cache
    def graph(noinline: bool) -> Callable:
        attributes = {"_noinline": True} if noinline else None
        return tf.function(function, autograph=False, experimental_attributes=attributes)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        # Not copied into its callers, these are ready to run sooner; but TFLite can not have that, and on a GPU what
        # is in it takes hardly longer than a call.
        return graph(uses_cpu_kernels())(*map(read, args))

    return call
