"""Graphs that calls share: what a network does many times over is then traced once."""

import functools
import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import keras

from ugatit_tf.ops.cpu import uses_cpu_kernels
from ugatit_tf.ops.precision import current_compute_dtype
from ugatit_tf.ops.scopes import setting

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

_Function = TypeVar("_Function", bound=Callable)

_inside = ContextVar("inside of a shared graph", default=False)
_of_layers: "WeakKeyDictionary[tf.Graph, dict[Any, Callable]]" = WeakKeyDictionary()  # by the graph of the calls


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

    graph = functools.cache(functools.partial(_graph, function))

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        called = function if _inside.get() else graph(noinline=uses_cpu_kernels())
        return called(*map(read, args))

    return call


def shared_call(layer: keras.layers.Layer, *, by_inputs: bool = True, by_weights: bool = True) -> Callable[..., Any]:
    """The call of a layer; with CPU kernels, layers that differ in nothing but their weights share its graph.

    Args:
        layer: built.
        by_inputs: whether gradients by its inputs may be asked for: the graph computes them then, used or not.
        by_weights: whether gradients by its weights may be.
    """
    if not uses_cpu_kernels() or tf.executing_eagerly():
        return layer
    graphs = _of_layers.setdefault(tf.compat.v1.get_default_graph(), {})
    config = {name: value for name, value in layer.get_config().items() if name != "name"}
    kind = type(layer), json.dumps(config), by_inputs, by_weights, current_compute_dtype()
    if kind not in graphs:
        graphs[kind] = _graph(functools.partial(_stateless_call, layer, by_inputs, by_weights), noinline=True)

    def call(*inputs: Any, **kwargs: Any) -> Any:
        state = layer.non_trainable_variables
        weights, values = ([read(variable) for variable in group] for group in (layer.trainable_variables, state))
        outputs, changes = graphs[kind](weights, values, *inputs, **kwargs)
        for place, value in changes.items():
            state[int(place)].assign(value)
        return outputs

    return call


def _stateless_call(
    layer: keras.layers.Layer,
    by_inputs: bool,
    by_weights: bool,
    weights: Sequence,
    state: Sequence,
    *inputs: Any,
    **kwargs: Any,
) -> tuple[Any, dict[str, Any]]:
    """A layer's outputs, and what its call has changed of its state, by its place."""
    weights = weights if by_weights else [tf.stop_gradient(weight) for weight in weights]
    inputs = inputs if by_inputs else [tf.stop_gradient(tensor) for tensor in inputs]
    outputs, state_after = layer.stateless_call(weights, state, *inputs, **kwargs)
    pairs = enumerate(zip(state, state_after, strict=True))
    return outputs, {str(place): after for place, (before, after) in pairs if after is not before}


def _graph(function: Callable, noinline: bool) -> Callable:
    """A function as graphs, one for each shape and type of its arguments; not copied into its callers if `noinline`.

    They are ready to run sooner then; but TFLite can not have that, and on a GPU what is in them takes hardly longer
    than a call.
    """

    def traced(*args: Any, **kwargs: Any) -> Any:
        with setting(_inside, True):
            return function(*args, **kwargs)

    attributes = {"_noinline": True} if noinline else None
    return tf.function(traced, autograph=False, experimental_attributes=attributes)
