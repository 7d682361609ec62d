import contextlib

import keras
import pytest
import tensorflow as tf

from ugatit_tf.ops.cpu import cpu_kernels
from ugatit_tf.ops.tracing import read, shared


def doubled():
    shapes = []

    @shared
    def function(x):
        shapes.append(x.shape)
        return 2.0 * x

    return function, shapes


def test_calls_with_the_same_shape_share_a_graph():
    function, shapes = doubled()
    step = tf.function(lambda x, y: function(x) + function(x + 1.0) + tf.reduce_sum(function(y)))
    assert step(tf.ones(3), tf.ones(2)).numpy().tolist() == [10.0] * 3
    assert shapes == [(3,), (2,)]


@pytest.mark.parametrize(("fast", "devices", "kept"), [(True, [], True), (False, [], False), (True, ["a GPU"], False)])
def test_cpu_kernels_keep_a_graph_out_of_its_callers(fast, devices, kept, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: devices)
    function, _ = doubled()
    with cpu_kernels() if fast else contextlib.nullcontext():
        graph = tf.function(function).get_concrete_function(tf.ones(3)).graph
    (definition,) = graph.as_graph_def().library.function
    assert ("_noinline" in definition.attr) == kept


def test_a_variable_is_read_once_for_all_that_takes_it():
    variable = keras.Variable([1.0, 2.0])
    assert not isinstance(read(variable), keras.Variable)
    graph = tf.function(lambda: (value := read(variable)) + value, autograph=False).get_concrete_function().graph
    assert [operation.type for operation in graph.get_operations()].count("ReadVariableOp") == 1
    assert read("other") == "other"


def test_shared_functions_read_variables():
    function, _ = doubled()
    variable = keras.Variable([1.0, 2.0])
    with tf.GradientTape() as tape:
        outputs = function(variable)
    assert outputs.numpy().tolist() == [2.0, 4.0]
    assert tape.gradient(outputs, variable.value).numpy().tolist() == [2.0, 2.0]
