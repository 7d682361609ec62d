import contextlib
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.ops import compute_dtype, conv2d, convolution, cpu_kernels, patches, spectral_norm, upsample_conv2d

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
    "strides that leave a row": (3, 2, 5, 3, 8, 10),
    "strides of few channels": (3, 2, 2, 3, 9, 7),
}
AXES = ("batch", "height", "width")
UNKNOWN = [axes for count in range(4) for axes in itertools.combinations(AXES, count)]
WINOGRAD = [(4, 4), (8, 8), (4, 12), (12, 8), (4, 2), (4, 7), (12, 3)]  # height and width; the last three do not fit


def normal(*shape):
    return tf.random.stateless_normal(shape, seed=(shape[0], shape[-1]))


def factors(shape):
    """Inputs, kernel and bias of a convolution."""
    side, _, channels, filters, height, width = shape
    return normal(2, height, width, channels), normal(side, side, channels, filters), normal(filters)


def plain_conv2d(inputs, kernel, bias, strides=1, padding=(0, 0)):
    return tf.nn.conv2d(tf.pad(inputs, [[0, 0], padding, padding, [0, 0]], "REFLECT"), kernel, strides, "VALID") + bias


def plain_upsample_conv2d(inputs, kernel, bias):
    return plain_conv2d(tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2), kernel, bias, padding=(1, 1))


def weighted_sum(outputs):
    """A loss whose gradient by the outputs comes without a static shape, as a slice's does where sizes are unknown."""
    weights = tf.reshape(tf.cos(tf.range(tf.size(outputs), dtype="float32")), tf.shape(outputs))
    size = tf.raw_ops.PlaceholderWithDefault(input=tf.shape(outputs), shape=[4])
    return tf.reduce_sum(tf.slice(outputs, [0, 0, 0, 0], size) * weights)


def with_gradients(function, inputs, kernel, bias):
    """Outputs, the gradients of a loss by inputs, kernel and bias, and a second-order one by the kernel."""
    with tf.GradientTape() as outer:
        outer.watch(kernel)
        with tf.GradientTape(persistent=True) as inner:
            inner.watch((inputs, kernel, bias))
            outputs = function(inputs, kernel, bias)
            loss = weighted_sum(outputs)
        slopes = inner.gradient(loss, inputs)
        steepness = tf.reduce_sum(slopes**2)
    return outputs, slopes, *inner.gradient(loss, (kernel, bias)), outer.gradient(steepness, kernel)


def assert_alike(ours, plain, *factors, unknown=(), tolerance=1e-4):
    """Compares the results of two functions, the first of them with CPU kernels.

    Args:
        ours: of inputs, kernel and bias.
        plain: likewise.
        *factors: the two functions' arguments.
        unknown: which of batch, height and width are so while tracing.
        tolerance: over the largest value.
    """
    sizes = dict(zip((*AXES, "channels"), factors[0].shape, strict=True))
    shape = [None if axis in unknown else size for axis, size in sizes.items()]

    @tf.function(input_signature=[tf.TensorSpec(shape)], autograph=False)
    def traced(inputs):
        with cpu_kernels():
            return with_gradients(ours, inputs, *factors[1:])

    for actual, expected in zip(traced(factors[0]), with_gradients(plain, *factors), strict=True):
        assert actual.dtype == expected.dtype
        assert actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("unknown", UNKNOWN, ids=str)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_outputs_and_gradients_are_those_of_a_plain_convolution(shape, unknown):
    functions = (functools.partial(function, strides=shape[1]) for function in (conv2d, plain_conv2d))
    assert_alike(*functions, *factors(shape), unknown=unknown)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_so_are_they_of_images_too_large_for_patches(shape, monkeypatch):
    monkeypatch.setattr(patches, "_CACHED_VALUES", 0)
    functions = (functools.partial(function, strides=shape[1]) for function in (conv2d, plain_conv2d))
    assert_alike(*functions, *factors(shape))


def test_padding_is_part_of_them():
    functions = [functools.partial(function, padding=(1, 2)) for function in (conv2d, plain_conv2d)]
    for shape in ((4, 1, 9, 2, 6, 5), (4, 1, 9, 40, 4, 5), (7, 1, 9, 3, 9, 10)):  # patches of kernel, of all; blocks
        assert_alike(*functions, *factors(shape))


@pytest.mark.parametrize("unknown", UNKNOWN, ids=str)
@pytest.mark.parametrize("filters", [2, 5])
def test_upsampling_is_the_plain_one(filters, unknown):
    assert_alike(upsample_conv2d, plain_upsample_conv2d, *factors((3, 1, 6, filters, 3, 5)), unknown=unknown)


@pytest.mark.parametrize(
    ("sides", "unknown"), [*((sides, ["batch"]) for sides in WINOGRAD), *(((8, 12), axes) for axes in UNKNOWN)], ids=str
)
def test_winograds_form_gives_the_same(sides, unknown, monkeypatch):
    monkeypatch.setattr(convolution, "WINOGRAD_MINIMA", (0, 0))
    functions = (functools.partial(function, padding=(1, 1)) for function in (conv2d, plain_conv2d))
    assert_alike(*functions, *factors((3, 1, 2, 5, *sides)), unknown=unknown)


def test_winograds_form_rounds_little_more(monkeypatch):
    inputs, kernel, bias = tf.nn.relu(normal(1, 8, 8, 256)), normal(3, 3, 256, 32), tf.zeros(32)
    exact = plain_conv2d(*(tf.cast(factor, "float64") for factor in (inputs, kernel, bias)), padding=(1, 1))
    monkeypatch.setattr(convolution, "WINOGRAD_MINIMA", (0, 0))
    with cpu_kernels():
        errors = tf.cast(conv2d(inputs, kernel, bias, padding=(1, 1)), "float64") - exact
    assert np.std(errors) < 1.25e-6 * np.std(exact)


@pytest.mark.low_precision
@pytest.mark.parametrize("name", ["taps of 3x3", "strides of 4x4", "patches", "blocks"])
def test_bfloat16_is_close(name):
    functions = (functools.partial(function, strides=SHAPES[name][1]) for function in (conv2d, plain_conv2d))
    with compute_dtype("bfloat16"):
        assert_alike(*functions, *factors(SHAPES[name]), tolerance=0.02)


@pytest.mark.parametrize("unknown", UNKNOWN, ids=str)
@pytest.mark.parametrize("name", ["taps of 3x3", "patches"])
def test_a_norm_divides_the_kernel_and_not_the_bias(name, unknown):
    def normed(inputs, kernel, bias):
        return conv2d(inputs, kernel, bias, norm=spectral_norm(kernel, normal(1, len(bias))))

    def plain_normed(inputs, kernel, bias):
        return plain_conv2d(inputs, kernel / spectral_norm(kernel, normal(1, len(bias))).value, bias)

    assert_alike(normed, plain_normed, *factors(SHAPES[name]), unknown=unknown)


def nodes_of_functions(graph):
    return [node for function in graph.as_graph_def().library.function for node in function.node_def]


def operations(name, *, fast, batch=1):
    """The types of the operations of a convolution's outputs and of its gradient by the kernel."""
    strides = SHAPES[name][1]
    inputs, kernel, bias = factors(SHAPES[name])

    @tf.function
    def gradient(inputs, kernel, bias):
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            outputs = conv2d(inputs, kernel, bias, strides=strides)
        return tape.gradient(outputs, kernel)

    with cpu_kernels() if fast else contextlib.nullcontext():
        graph = gradient.get_concrete_function(tf.TensorSpec((batch, *inputs.shape[1:])), kernel, bias).graph
    return {node.op for node in [*graph.as_graph_def().node, *nodes_of_functions(graph)]}


def test_patches_are_taken_of_small_images():
    features = tf.TensorSpec((2, 18, 18, 64))
    assert patches.are_small(features, 3, tf.TensorSpec((2, 16, 16, 64)))
    assert not patches.are_small(features, 3, tf.TensorSpec((None, 16, 16, 64)))
    assert not patches.are_small(tf.TensorSpec((2, 66, 66, 256)), 3, tf.TensorSpec((2, 64, 64, 256)))


def test_the_form_is_the_fast_one_where_it_pays():
    for name in ("taps of 3x3", "taps of 4x4", "patches", "strides of 3x3", "strides of 4x4"):
        assert "MatMul" in operations(name, fast=True)
        assert "Conv2DBackpropFilter" not in operations(name, fast=True)
        assert "Conv2DBackpropFilter" in operations(name, fast=False)  # nor is there anything else of ours
        assert "IdentityN" not in operations(name, fast=False)
    assert "GatherV2" in operations("patches", fast=True)
    assert "Conv2D" not in operations("patches", fast=True, batch=None)
    assert "DepthToSpace" in operations("blocks", fast=False)
    for name in ("blocks do not fit", "many filters", "one pixel", "strides of few channels"):
        assert {"MatMul", "DepthToSpace"}.isdisjoint(operations(name, fast=True))


@pytest.mark.parametrize(("filters", "fast", "expected"), [(5, True, True), (5, False, False), (4, True, False)])
def test_upsampling_has_the_fast_form_where_it_pays(filters, fast, expected):
    function = tf.function(upsample_conv2d)
    with cpu_kernels() if fast else contextlib.nullcontext():
        graph = function.get_concrete_function(*factors((3, 1, 6, filters, 3, 5))).graph
    assert ("IdentityN" in {node.op for node in graph.as_graph_def().node}) == expected


def has_winograds_form(inputs, kernel, *, fast=True, padding=(1, 1)):
    function = tf.function(functools.partial(conv2d, padding=padding))
    with cpu_kernels() if fast else contextlib.nullcontext():
        graph = function.get_concrete_function(inputs, tf.TensorSpec(kernel), tf.TensorSpec(kernel[-1:])).graph
    return "GatherV2" in {node.op for node in nodes_of_functions(graph)}


def test_winograds_form_is_taken_where_it_pays():
    features, kernel = tf.TensorSpec((None, 64, 64, 256)), (3, 3, 256, 256)
    assert has_winograds_form(features, kernel)
    assert not has_winograds_form(features, kernel, fast=False)  # as in an export
    assert not has_winograds_form(features, kernel, padding=(0, 0))
    assert not has_winograds_form(features, (3, 3, 256, 8))
    assert not has_winograds_form(features, (4, 4, 256, 256))
    for shape in ((1, 62, 64, 256), (1, 64, 62, 256), (1, 12, 12, 256), (1, None, None, 256)):
        assert not has_winograds_form(tf.TensorSpec(shape), kernel)


@pytest.mark.parametrize("shape", [(3, 1, 128, 128, 16, 16), (4, 1, 3, 32, 4, 4)], ids=["Winograd's", "patches"])
def test_forms_that_gain_nothing_by_bfloat16_are_in_float32(shape):
    with cpu_kernels():
        expected = conv2d(*factors(shape), padding=(1, 1))
        with compute_dtype("bfloat16"):
            computed = conv2d(*factors(shape), padding=(1, 1))
    # Roundings of float32; bfloat16's come to 4e-3.
    np.testing.assert_allclose(computed, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_gpu_computes_convolutions_in_its_own_way(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    for name in SHAPES:
        assert {"MatMul", "DepthToSpace", "IdentityN"}.isdisjoint(operations(name, fast=True))
    assert not has_winograds_form(tf.TensorSpec((1, 64, 64, 256)), (3, 3, 256, 256))
