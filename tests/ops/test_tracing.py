import contextlib
import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.networks.convolution import ReflectConv2D
from ugatit_tf.ops import compute_dtype, tracing
from ugatit_tf.ops.cpu import cpu_kernels
from ugatit_tf.ops.tracing import read, shared, shared_call


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


def convolutions(count=2, filters=3):
    """Layers that are alike but for their weights and names, with spectral norm."""
    keras.utils.set_random_seed(0)
    layers = [ReflectConv2D(filters, 3, padding=1, spectral_norm=True, name=f"conv_{i}") for i in range(count)]
    for layer in layers:
        layer.build((None, 4, 4, 2))
    return layers


def normal(*shape):
    return tf.random.stateless_normal(shape, seed=(shape[0], shape[-1]))


def graph_calls(graph):
    """The functions that a graph calls, one for each call."""
    return [operation.get_attr("f").name for operation in graph.get_operations() if "PartitionedCall" in operation.type]


@pytest.mark.low_precision
def test_layers_that_are_alike_share_a_graph():
    one, other = convolutions()
    (wider,) = convolutions(1, filters=4)
    images = normal(2, 4, 4, 2)

    @tf.function(autograph=False)
    def step():
        calls = [shared_call(layer)(images) for layer in (one, other, wider)]
        with compute_dtype("bfloat16"):
            return *calls, shared_call(one)(images), shared_call(one, by_weights=False)(images)

    with cpu_kernels():
        graph = step.get_concrete_function().graph
    of_one, of_other, of_wider, in_bfloat16, frozen = graph_calls(graph)
    assert of_one == of_other
    assert len({of_one, of_wider, in_bfloat16, frozen}) == 4
    assert len([operation for operation in graph.get_operations() if operation.type == "Conv2D"]) == 0
    for layer, outputs in zip((one, other, wider), step(), strict=False):
        np.testing.assert_allclose(outputs, layer(images), atol=1e-6)


@pytest.mark.parametrize("training", [False, True])
def test_gradients_and_state_are_those_of_the_layers_own_call(training):
    layers, images = convolutions(), normal(2, 4, 4, 2)
    before = [layer.u.numpy() for layer in layers]

    def step(call):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.add_n([tf.reduce_sum(call(layer)(images, training=training) ** 3) for layer in layers])
        return tape.gradient(loss, [images, *(v.value for layer in layers for v in layer.trainable_variables)])

    results, states = [], []
    for call in (lambda layer: layer, shared_call):
        for layer, u in zip(layers, before, strict=True):
            layer.u.assign(u)
        with cpu_kernels():
            results.append(tf.function(step, autograph=False)(call))
        states.append([layer.u.numpy() for layer in layers])
    for ours, plain in zip(*results, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-5)
    for ours, plain, u in zip(*states, before, strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-6)
        assert np.allclose(ours, u) != training


@pytest.mark.parametrize(("by_inputs", "by_weights"), [(True, False), (False, True)])
def test_gradients_that_nobody_asks_for_are_not_there(by_inputs, by_weights):
    (layer,) = convolutions(1)
    images = normal(2, 4, 4, 2)

    @tf.function(autograph=False)
    def gradients(**kwargs):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(shared_call(layer, **kwargs)(images) ** 3)
        return tape.gradient(loss, (images, layer.kernel.value))

    with cpu_kernels():
        partly, all_ = gradients(by_inputs=by_inputs, by_weights=by_weights), gradients()
    for part, gradient, there in zip(partly, all_, (by_inputs, by_weights), strict=True):
        if there:
            np.testing.assert_allclose(part, gradient, rtol=1e-6)
        else:
            assert part is None


def test_calls_are_a_layers_own_without_cpu_kernels_and_out_of_graphs():
    (layer,) = convolutions(1)
    assert tf.function(lambda: shared_call(layer) is layer, autograph=False)()
    with cpu_kernels():
        assert shared_call(layer) is layer


def test_a_graph_that_is_gone_leaves_nothing():
    def run(layer):
        step = tf.function(lambda images: shared_call(layer)(images), autograph=False)
        with cpu_kernels():
            step(normal(2, 4, 4, 2))
        return len(tracing._layer_graphs)

    gc.collect()
    before = len(tracing._layer_graphs)
    assert run(*convolutions(1)) > before
    gc.collect()
    assert len(tracing._layer_graphs) == before
