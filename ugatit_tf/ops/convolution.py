"""Padding and product, the heart of a convolution, in the forms that a CPU is fastest at."""

import math

import keras
from keras import KerasTensor, ops

from ugatit_tf.ops.cpu import on_cpu, uses_cpu_kernels

if keras.backend.backend() == "tensorflow":
    from ugatit_tf.ops import kernel_gradient, patches, winograd

_FEW = 4  # channels: a CPU computes 16 at once, be they there or not
_LARGE = 7  # side of a kernel, in pixels
_MANY = 5e8  # multiplications for an image: from about here on, halving them takes less time than it costs


def convolve(
    inputs: KerasTensor, kernel: KerasTensor, strides: int = 1, padding: tuple[int, int] = (0, 0)
) -> KerasTensor:
    """Pads by reflection, then convolves.

    Args:
        inputs: `[B, H, W, C]`.
        kernel: `[k, k, C, filters]`, of the same type.
        strides: in pixels.
        padding: at the top and left, and at the bottom and right, in pixels.

    Returns:
        `[B, H', W', filters]`.
    """
    if uses_cpu_kernels() and strides == 1 and padding == (1, 1) and _gains_by_winograd(inputs, kernel):
        return winograd.convolve(inputs, kernel)
    if padding != (0, 0):
        inputs = ops.pad(inputs, [[0, 0], padding, padding, [0, 0]], mode="reflect")
    side, channels, filters = kernel.shape[1:]
    even = all(length and (length - side) % 2 for length in inputs.shape[1:3])  # are the outputs' sides
    if on_cpu() and strides == 1 and side >= _LARGE and filters <= _FEW and even:
        return _in_blocks(inputs, kernel)
    if uses_cpu_kernels() and 1 < side < _LARGE and (strides == 1 or channels > _FEW):
        if strides == 1 and _has_few_pixels(inputs, kernel):
            return patches.convolve(inputs, kernel)
        return kernel_gradient.convolve(inputs, kernel, strides)
    return ops.conv(inputs, kernel, strides=strides, padding="valid")


def convolve_transposed(inputs: KerasTensor, kernel: KerasTensor) -> KerasTensor:
    """The transpose of a convolution by a 4x4 kernel with strides of 2 and a padding of 1.

    Args:
        inputs: `[B, H, W, C]`.
        kernel: `[4, 4, filters, C]`, of the same type.

    Returns:
        `[B, 2 * H, 2 * W, filters]`.
    """
    if uses_cpu_kernels() and kernel.shape[2] > _FEW:
        return kernel_gradient.convolve_transposed(inputs, kernel)
    return ops.conv_transpose(inputs, kernel, strides=2, padding="same")


def _gains_by_winograd(inputs: KerasTensor, kernel: KerasTensor) -> bool:
    height, width = inputs.shape[1:3]
    if kernel.shape[0] != 3 or None in (height, width) or keras.backend.standardize_dtype(inputs.dtype) != "float32":
        return False
    return height % winograd.LINES == 0 and math.prod(kernel.shape) * height * width >= _MANY


def _has_few_pixels(inputs: KerasTensor, kernel: KerasTensor) -> bool:
    """Whether the kernel is larger than all that it meets; a batch of unknown size counts as one image."""
    batch, height, width, _ = inputs.shape
    side, filters = kernel.shape[1], kernel.shape[-1]
    return None not in (height, width) and (batch or 1) * (height - side + 1) * (width - side + 1) < filters


def _in_blocks(inputs: KerasTensor, kernel: KerasTensor) -> KerasTensor:
    """Takes each 2x2 pixels of the outputs for one pixel with four times as many filters."""
    places = ((y, x) for y in range(2) for x in range(2))
    shifted = [ops.pad(kernel, [[y, 1 - y], [x, 1 - x], [0, 0], [0, 0]]) for y, x in places]
    return ops.depth_to_space(ops.conv(inputs, ops.concatenate(shifted, -1), strides=2, padding="valid"), 2)
