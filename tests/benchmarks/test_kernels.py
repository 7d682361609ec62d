import collections

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import kernels, processes
from ugatit_tf.ops import conv2d, convolution, cpu_kernels, kernel_gradient, patches, reflection, upsample_conv2d

_REPLACED = (
    *(
        (convolution, name)
        for name in ("_gains_by_winograd", "_has_few_pixels", "_gains_by_upsampling_kernel", "_in_blocks")
    ),
    (patches, "are_small"),
    (reflection, "_can_copy_pixels"),
    (kernel_gradient, "convolve"),
)
# Of a convolution that the kernel computes: height and width, side of the kernel, channels, filters, stride, padding.
_COMPUTED = {
    "Winograd's algorithm": (16, 3, 64, 64, 1, 1),
    "one product for few pixels": (3, 3, 8, 10, 1, 1),
    "gradient by the kernel over patches in the cache": (8, 3, 8, 8, 2, 1),
    "padding by copies of pixels": (8, 3, 8, 8, 2, 1),
    "gradient by the kernel as matrix products": (8, 3, 8, 8, 2, 1),
    "gradient of the upsampling convolution": (4, 3, 8, 8, None, None),
    "7x7 convolution in blocks of 2x2 pixels": (12, 7, 8, 3, 1, 3),
}


def traced(shape):
    """The counts of a convolution's operations, with its gradients, and its outputs."""
    size, side, channels, filters, strides, padding = shape

    @tf.function
    def step(inputs, kernel, bias):
        with cpu_kernels(), tf.GradientTape() as tape:
            tape.watch((inputs, kernel))
            if strides is None:
                outputs = upsample_conv2d(inputs, kernel, bias)
            else:
                outputs = conv2d(inputs, kernel, bias, strides=strides, padding=(padding, padding))
            loss = tf.reduce_sum(outputs * outputs)
        return outputs, *tape.gradient(loss, (inputs, kernel))

    shapes = [1, size, size, channels], [side, side, channels, filters], [filters]
    tensors = [tf.random.stateless_normal(shape, seed=(1, 2)) for shape in shapes]
    graph = step.get_concrete_function(*tensors).graph
    return collections.Counter(operation.type for operation in graph.get_operations()), step(*tensors)


@pytest.mark.parametrize("kernel", kernels.KERNELS)
def test_a_kernel_that_is_taken_out_changes_the_operations_alone(kernel, monkeypatch):
    for module, name in _REPLACED:
        monkeypatch.setattr(module, name, getattr(module, name))  # so that it comes back
    counts, values = traced(_COMPUTED[kernel])
    kernels.take_out(kernel)
    plain_counts, plain_values = traced(_COMPUTED[kernel])
    assert counts != plain_counts
    for value, plain in zip(values, plain_values, strict=True):
        # 1e-4 of the largest value: both round to float32 in different orders.
        np.testing.assert_allclose(value, plain, rtol=0, atol=1e-4 * np.abs(plain).max())


def test_the_table_has_medians_of_turns_and_ratios(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(kernels, "KERNELS", {"one": None})
    monkeypatch.setattr(
        processes, "measure", lambda asked: {"seconds": (without if asked["without"] else with_all).pop()}
    )
    monkeypatch.setattr(kernels.records, "machine", dict)
    monkeypatch.setattr(kernels.records, "RESULTS", tmp_path)
    with_all, without = [3.0, 1.0, 2.0], [4.0, 6.0, 5.0]
    kernels.main(["demo"])
    assert capsys.readouterr().out.splitlines()[2:4] == ["| nothing | 2.000 | 1.00 |", "| one | 5.000 | 2.50 |"]
