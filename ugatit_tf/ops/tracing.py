"""Graphs that calls share: what a network does many times over is then traced once."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import keras

from ugatit_tf.ops.cpu_kernels import on_this_cpu

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_Function = TypeVar("_Function", bound=Callable)


def shared(function: _Function) -> _Function:
    """Has calls with tensors of the same shapes and types share a graph, on TensorFlow.

    Args:
        function: of tensors to tensors; reads no variables.
    """
    if keras.backend.backend() != "tensorflow":
        return function

    @functools.cache
    def graph(apart: bool) -> Callable:
        attributes = {"_noinline": True} if apart else None
        return tf.function(function, autograph=False, experimental_attributes=attributes)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        # Apart, it is not copied into its callers, which are then ready to run sooner; TFLite can not have that, and
        # on a GPU what is in it takes hardly longer than a call.
        return graph(on_this_cpu())(*args)

    return call
