import contextlib
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.ops import convolution
from ugatit_tf.ops.convolution import convolve, convolve_transposed
from ugatit_tf.ops.cpu import cpu_kernels

# side of the kernel, stride, channels, filters; height and width of the inputs
SHAPES = {
    "taps of 3x3": (3, 1, 2, 5, 7, 6),
    "taps of 4x4": (4, 1, 3, 2, 9, 11),
    "patches": (4, 1, 3, 13, 6, 5),
    "blocks": (7, 1, 2, 3, 12, 10),
    "blocks do not fit": (7, 1, 2, 3, 12, 11),
    "many filters": (7, 1, 2, 5, 12, 10),
    "one pixel": (1, 1, 2, 3, 4, 5),
    "strides of 3x3": (3, 2, 5, 3, 9, 7),
    "strides of 4x4": (4, 2, 5, 3, 8, 10),
    "strides that leave a line": (3, 2, 5, 3, 8, 10),
    "strides of few channels": (3, 2, 2, 3, 9, 7),
}
UNKNOWN = [axes for count in range(4) for axes in itertools.combinations(range(3), count)]  # of batch, height, width
WINOGRAD = {"one tile": (4, 2), "square": (8, 8), "wide": (4, 7), "high": (12, 3)}  # height and width


def normal(*shape, dtype="float32"):
    return tf.cast(tf.random.stateless_normal(shape, seed=shape[:2]), dtype)


def weighted_sum(outputs):
    """A loss whose gradient by the outputs comes without a static shape, as a slice's does where sizes are unknown."""
    weights = tf.reshape(tf.cos(tf.range(tf.size(outputs), dtype="float32")), tf.shape(outputs))
    size = tf.raw_ops.PlaceholderWithDefault(input=tf.shape(outputs), shape=[4])
    return tf.reduce_sum(tf.slice(outputs, [0, 0, 0, 0], size) * tf.cast(weights, outputs.dtype))


def with_gradients(function, inputs, kernel):
    """A function's outputs, and what it gives for weighted outputs by inputs, kernel, and how steep it is by inputs."""
    with tf.GradientTape() as outer:
        outer.watch(kernel)
        with tf.GradientTape(persistent=True) as inner:
            inner.watch((inputs, kernel))
            outputs = function(inputs, kernel)
            weighted = weighted_sum(outputs)
        slopes = inner.gradient(weighted, inputs)
        steepness = tf.reduce_sum(slopes**2)
    return outputs, slopes, inner.gradient(weighted, kernel), outer.gradient(steepness, kernel)


def compared(shape, dtype="float32"):
    """Pairs of our results and TensorFlow's own, as arrays of float32."""
    side, strides, channels, filters, height, width = shape
    inputs = normal(2, height, width, channels, dtype=dtype)
    kernel = normal(side, side, channels, filters, dtype=dtype)
    with cpu_kernels():
        ours = with_gradients(lambda x, k: convolve(x, k, strides), inputs, kernel)
    plain = with_gradients(lambda x, k: tf.nn.conv2d(x, k, strides, "VALID"), inputs, kernel)
    return [(tf.cast(a, "float32").numpy(), tf.cast(b, "float32").numpy()) for a, b in zip(ours, plain, strict=True)]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_outputs_and_gradients_are_those_of_a_plain_convolution(shape):
    for ours, plain in compared(shape):
        assert ours.shape == plain.shape
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4 * np.abs(plain).max())


@pytest.mark.parametrize("filters", [2, 5])
def test_a_transposed_convolution_is_the_plain_one(filters):
    inputs, kernel = normal(2, 3, 5, 6), normal(4, 4, filters, 6)
    with cpu_kernels():
        results = with_gradients(convolve_transposed, inputs, kernel)
    shape = (2, 6, 10, filters)
    plain = with_gradients(lambda x, k: tf.nn.conv2d_transpose(x, k, shape, 2, "SAME"), inputs, kernel)
    for ours, theirs in zip(results, plain, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max())


def reflected(inputs, kernel):
    return tf.nn.conv2d(tf.pad(inputs, [[0, 0], [1, 1], [1, 1], [0, 0]], "REFLECT"), kernel, 1, "VALID")


@pytest.mark.parametrize("sides", WINOGRAD.values(), ids=WINOGRAD)
def test_winograds_form_gives_the_same(sides, monkeypatch):
    monkeypatch.setattr(convolution, "_MANY", 0)
    inputs, kernel = normal(3, *sides, 2), normal(3, 3, 2, 5)
    with cpu_kernels():
        results = with_gradients(lambda x, k: convolve(x, k, padding=(1, 1)), inputs, kernel)
    for ours, plain in zip(results, with_gradients(reflected, inputs, kernel), strict=True):
        assert ours.shape == plain.shape
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-5 * np.abs(plain).max())


def test_winograds_form_rounds_hardly_more(monkeypatch):
    inputs, kernel = tf.nn.relu(normal(1, 8, 8, 256)), normal(3, 3, 256, 32)
    exact = reflected(tf.cast(inputs, "float64"), tf.cast(kernel, "float64"))
    monkeypatch.setattr(convolution, "_MANY", 0)
    with cpu_kernels():
        errors = tf.cast(convolve(inputs, kernel, padding=(1, 1)), "float64") - exact
    assert np.std(errors) < 1e-6 * np.std(exact)


@pytest.mark.parametrize("name", ["taps of 3x3", "strides of 4x4", "patches", "blocks"])
def test_bfloat16_is_close(name):
    for ours, plain in compared(SHAPES[name], "bfloat16"):
        np.testing.assert_allclose(ours, plain, atol=0.02 * np.abs(plain).max())


def assert_any_size_will_do(ours, plain, inputs, kernel):
    """Compares two functions where the batch or sides or all of them are unknown while tracing."""
    expected = with_gradients(plain, inputs, kernel)
    for unknown in UNKNOWN:
        shape = [None if axis in unknown else size for axis, size in enumerate(inputs.shape)]

        @tf.function(input_signature=[tf.TensorSpec(shape)], autograph=False)
        def traced(inputs):
            with cpu_kernels():
                return with_gradients(ours, inputs, kernel)

        for actual, value in zip(traced(inputs), expected, strict=True):
            np.testing.assert_allclose(actual, value, rtol=1e-4, atol=1e-4 * np.abs(value).max(), err_msg=str(shape))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_batch_and_sides_of_any_size(shape):
    side, strides, channels, filters, height, width = shape
    assert_any_size_will_do(
        lambda x, k: convolve(x, k, strides),
        lambda x, k: tf.nn.conv2d(x, k, strides, "VALID"),
        normal(2, height, width, channels),
        normal(side, side, channels, filters),
    )


@pytest.mark.parametrize("filters", [2, 5])
def test_a_transposed_convolution_of_a_batch_and_sides_of_any_size(filters):
    assert_any_size_will_do(
        convolve_transposed,
        lambda x, k: tf.nn.conv2d_transpose(x, k, (2, 6, 10, filters), 2, "SAME"),
        normal(2, 3, 5, 6),
        normal(4, 4, filters, 6),
    )


def test_winograds_form_of_a_batch_and_sides_of_any_size(monkeypatch):
    monkeypatch.setattr(convolution, "_MANY", 0)
    padded = functools.partial(convolve, padding=(1, 1))
    assert_any_size_will_do(padded, reflected, normal(2, 8, 6, 2), normal(3, 3, 2, 5))


def nodes_of_functions(graph):
    return [node for function in graph.as_graph_def().library.function for node in function.node_def]


def operations(name, *, fast):
    """The types of the operations of a convolution's outputs and of its gradient by the kernel."""
    side, strides, channels, filters, height, width = SHAPES[name]

    @tf.function
    def gradient(inputs, kernel):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            outputs = convolve(inputs, kernel, strides)
        return tape.gradient(outputs, kernel)

    with cpu_kernels() if fast else contextlib.nullcontext():
        graph = gradient.get_concrete_function(
            normal(1, height, width, channels), normal(side, side, channels, filters)
        ).graph
    return {node.op for node in [*graph.as_graph_def().node, *nodes_of_functions(graph)]}


def test_the_form_is_the_fast_one_where_it_pays():
    for name in ("taps of 3x3", "taps of 4x4", "patches", "strides of 3x3", "strides of 4x4"):
        assert "MatMul" in operations(name, fast=True)
        assert "Conv2DBackpropFilter" not in operations(name, fast=True)
        assert "Conv2DBackpropFilter" in operations(name, fast=False)  # nor is there anything else of ours
        assert "IdentityN" not in operations(name, fast=False)
    assert "ExtractImagePatches" in operations("patches", fast=True)
    assert "Conv2D" not in operations("patches", fast=True)
    assert "ExtractImagePatches" not in operations("taps of 4x4", fast=True)
    assert "DepthToSpace" in operations("blocks", fast=False)
    for name in ("blocks do not fit", "many filters", "one pixel", "strides of few channels"):
        assert {"MatMul", "DepthToSpace"}.isdisjoint(operations(name, fast=True))


@pytest.mark.parametrize(("filters", "fast", "expected"), [(5, True, True), (5, False, False), (4, True, False)])
def test_a_transposed_convolution_has_the_fast_form_where_it_pays(filters, fast, expected):
    function = tf.function(convolve_transposed)
    with cpu_kernels() if fast else contextlib.nullcontext():
        graph = function.get_concrete_function(normal(1, 3, 5, 6), normal(4, 4, filters, 6)).graph
    assert ("IdentityN" in {node.op for node in graph.as_graph_def().node}) == expected


def has_winograds_form(inputs, kernel, *, fast=True, padding=(1, 1)):
    function = tf.function(lambda x, k: convolve(x, k, padding=padding))
    with cpu_kernels() if fast else contextlib.nullcontext():
        graph = function.get_concrete_function(inputs, tf.TensorSpec(kernel, inputs.dtype)).graph
    return "GatherV2" in {node.op for node in nodes_of_functions(graph)}


def test_winograds_form_is_taken_where_it_pays():
    features, kernel = tf.TensorSpec((None, 64, 64, 256)), (3, 3, 256, 256)
    assert has_winograds_form(features, kernel)
    assert not has_winograds_form(features, kernel, fast=False)  # as in an export
    assert not has_winograds_form(features, kernel, padding=(0, 0))
    assert not has_winograds_form(features, (3, 3, 256, 8))
    assert not has_winograds_form(features, (4, 4, 256, 256))
    for shape in ((1, 62, 64, 256), (1, 16, 16, 256), (1, None, None, 256)):
        assert not has_winograds_form(tf.TensorSpec(shape), kernel)
    assert not has_winograds_form(tf.TensorSpec(features.shape, "bfloat16"), kernel)


def test_a_gpu_computes_convolutions_in_its_own_way(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    for name in SHAPES:
        assert {"MatMul", "DepthToSpace", "IdentityN"}.isdisjoint(operations(name, fast=True))
    assert not has_winograds_form(tf.TensorSpec((1, 64, 64, 256)), (3, 3, 256, 256))
