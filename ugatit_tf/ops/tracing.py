"""Shared graphs: an operation or layer that a network uses many times is traced once.

TensorFlow traces a training step into a graph before it runs. Tracing and preparing take time for each operation, and
the same operations occur many times: a norm has the same graph for each shape, and the residual blocks of a generator,
as well as the networks of both domains, differ in nothing but their weights. So this module makes each of them one
`tf.function` with the weights as arguments, and every call refers to that graph. Two kinds of calls are shared:

- `shared` decorates a function of tensors. It is used for norms and for parts of the CPU kernels.
- `shared_call` calls a layer. It is used, with CPU kernels only, for residual blocks and patch discriminators.

Measured: with shared layers, a training step has 11,800 operations to trace instead of 15,500. The gradient belongs in
the shared graph too: when it stood outside, every call had a gradient record of its own, and a light step took 7.0 s
to trace instead of 4.8 s.

A shared graph cannot know which gradients a caller will ask for, and computes all of them. So the caller of
`shared_call` says which ones it does not need.
"""

import functools
import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import keras
import tensorflow as tf

from ugatit_tf.ops.cpu import uses_cpu_kernels
from ugatit_tf.ops.precision import current_compute_dtype
from ugatit_tf.ops.scopes import setting

_Function = TypeVar("_Function", bound=Callable)

# Inside a shared graph, `shared` functions are traced into it: a graph nested in a graph would save nothing.
_inside = ContextVar("inside of a shared graph", default=False)
# The shared graphs of layers, by the graph that calls them: they end with it.
_layer_graphs: "WeakKeyDictionary[tf.Graph, dict[Any, Callable]]" = WeakKeyDictionary()


def read(value: Any) -> Any:
    """Returns a variable's value as a tensor, and any other value unchanged.

    `ops.convert_to_tensor` does not read a Keras variable.
    """
    return tf.convert_to_tensor(value) if isinstance(value, keras.Variable) else value


def shared(function: _Function) -> _Function:
    """Decorates a function so that calls with equal shapes and dtypes share a graph.

    Args:
        function: takes and returns tensors; it must read no variables except its arguments.
    """
    graph = functools.cache(functools.partial(_graph, function))

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        target = function if _inside.get() else graph(noinline=uses_cpu_kernels())
        return target(*map(read, args))

    return call


def shared_call(layer: keras.layers.Layer, *, by_inputs: bool = True, by_weights: bool = True) -> Callable[..., Any]:
    """Returns a function that calls a layer; with CPU kernels, layers that differ only in their weights share a graph.

    Without CPU kernels, and outside a graph, the layer itself is returned.

    Args:
        layer: a built layer.
        by_inputs: whether the graph computes gradients by the inputs. It computes them even if nobody uses them.
        by_weights: whether the graph computes gradients by the weights, in the same way.
    """
    if not uses_cpu_kernels() or tf.executing_eagerly():
        return layer
    graphs = _layer_graphs.setdefault(tf.compat.v1.get_default_graph(), {})
    config = {name: value for name, value in layer.get_config().items() if name != "name"}
    kind = type(layer), json.dumps(config), by_inputs, by_weights, current_compute_dtype()
    if kind not in graphs:
        graphs[kind] = _graph(functools.partial(_stateless_call, layer, by_inputs, by_weights), noinline=True)

    def call(*inputs: Any, **kwargs: Any) -> Any:
        state = layer.non_trainable_variables
        weights, values = ([read(variable) for variable in group] for group in (layer.trainable_variables, state))
        outputs, changes = graphs[kind](weights, values, *inputs, **kwargs)
        for index, value in changes.items():
            state[int(index)].assign(value)
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
    """Calls a layer with given weights and state.

    Returns:
        The outputs, and the changed values of the state by their index; the index is a string, because TensorFlow
        takes no other keys in the result of a graph.
    """
    weights = weights if by_weights else [tf.stop_gradient(weight) for weight in weights]
    inputs = inputs if by_inputs else [tf.stop_gradient(tensor) for tensor in inputs]
    outputs, state_after = layer.stateless_call(weights, state, *inputs, **kwargs)
    pairs = enumerate(zip(state, state_after, strict=True))
    return outputs, {str(index): after for index, (before, after) in pairs if after is not before}


def _graph(function: Callable, noinline: bool) -> Callable:
    """Makes a function into graphs, one for each combination of shapes and dtypes of its arguments.

    With `noinline`, TensorFlow does not copy the graph into its callers, and is ready to run sooner. Only CPU kernels
    use it: TFLite cannot convert such graphs, and on a GPU the call itself takes nearly as long as the operations.
    """

    def traced(*args: Any, **kwargs: Any) -> Any:
        with setting(_inside, True):
            return function(*args, **kwargs)

    attributes = {"_noinline": True} if noinline else None
    return tf.function(traced, autograph=False, experimental_attributes=attributes)
