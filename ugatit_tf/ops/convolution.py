"""Convolutions in the compute dtype, or in float32 where that is as fast, each in its sizes' fastest form.

On a GPU that is TensorFlow's operation; on a CPU, one large kernel has a form of its own, and inside of `cpu_kernels`
most have. All forms compute the same, but for rounding. Where sizes are unknown while tracing, it is one that does not
need them.
"""

import keras
from keras import KerasTensor, ops

from ugatit_tf.ops.cpu import on_cpu, uses_cpu_kernels
from ugatit_tf.ops.precision import to_compute_dtype, to_float32
from ugatit_tf.ops.spectral import SpectralNorm
from ugatit_tf.ops.tracing import read

if keras.backend.backend() == "tensorflow":
    from ugatit_tf.ops import kernel_gradient, patches, reflection, winograd

WINOGRAD_MINIMA = (256, 64)  # pixels, and channels and filters: from about here on, it takes less time
_FEW_CHANNELS = 4  # a CPU computes 16 at once, be they there or not
_LARGE_KERNEL = 7  # its side, in pixels


def conv2d(
    inputs: KerasTensor,
    kernel: KerasTensor,
    bias: KerasTensor,
    *,
    strides: int = 1,
    padding: tuple[int, int] = (0, 0),
    norm: SpectralNorm | None = None,
) -> KerasTensor:
    """Pads by reflection, convolves by a kernel over its norm, and adds a bias.

    Args:
        inputs: float32 `[B, H, W, C]`; the sides are larger than the padding.
        kernel: `[k, k, C, filters]`.
        bias: `[filters]`.
        strides: in pixels.
        padding: at the top and left, and at the bottom and right, in pixels.
        norm: of the kernel, to divide it by; see `spectral_norm`.

    Returns:
        float32 `[B, H', W', filters]`.
    """
    # The first two in float32, whatever is asked for: bfloat16 is no faster in Winograd's form nor in a plain one, and
    # casting a kernel for a few pixels takes longer than multiplying by it.
    if strides == 1 and padding == (1, 1) and _gains_by_winograd(inputs, kernel):
        x = winograd.convolve(inputs, kernel)
    elif strides == 1 and _has_few_pixels(inputs, kernel, padding):
        padded = reflection.pad(inputs, padding)
        if norm is None:
            x = patches.convolve(padded, kernel)
        else:
            x, norm = patches.convolve_over_norm(padded, kernel, *norm), None
    else:
        x = _convolve(to_compute_dtype(inputs), to_compute_dtype(kernel), strides, padding)
    if norm is not None:
        x = x / ops.cast(norm.value, x.dtype)  # the output, not the kernel: that is larger in the deep layers
    # ops.add, not +: so TensorFlow can fuse it into the convolution.
    return to_float32(ops.add(x, ops.cast(bias, x.dtype)))


def upsample_conv2d(inputs: KerasTensor, kernel: KerasTensor, bias: KerasTensor) -> KerasTensor:
    """Doubles both sides by nearest neighbour, pads by reflecting one pixel, convolves 3x3, and adds a bias.

    All that is one transposed convolution of the small image with a 4x4 kernel made of the 3x3 one, at 4/9 of the
    operations; reflecting the doubled image's border is repeating the small one's.

    Args:
        inputs: float32 `[B, H, W, C]`.
        kernel: `[3, 3, C, filters]`.
        bias: `[filters]`.

    Returns:
        float32 `[B, 2 * H, 2 * W, filters]`.
    """
    kernel = read(kernel)
    if uses_cpu_kernels() and kernel.shape[-1] > _FEW_CHANNELS:
        return to_float32(ops.add(kernel_gradient.upsample(to_compute_dtype(inputs), kernel), to_compute_dtype(bias)))
    kernel = to_compute_dtype(ops.swapaxes(_doubled(_doubled(kernel, axis=0), axis=1), 2, 3))
    x = ops.pad(to_compute_dtype(inputs), [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    x = ops.add(ops.conv_transpose(x, kernel, strides=2, padding="same"), to_compute_dtype(bias))
    batch, height, width, _ = ops.shape(inputs)
    # ops.slice, not [2:-2]: on TensorFlow, that one's gradient takes many times as long.
    return to_float32(ops.slice(x, (0, 2, 2, 0), (batch, 2 * height, 2 * width, kernel.shape[2])))


def _doubled(kernel: KerasTensor, axis: int) -> KerasTensor:
    """What three taps on a doubled image are for the small one, as the four taps of a transposed convolution."""
    first, second, third = ops.split(kernel, 3, axis=axis)
    return ops.concatenate([third, second + third, first + second, first], axis=axis)


def _convolve(inputs: KerasTensor, kernel: KerasTensor, strides: int, padding: tuple[int, int]) -> KerasTensor:
    """Pads by reflection and convolves, in the dtype of inputs and kernel."""
    side, channels, filters = kernel.shape[1:]
    if uses_cpu_kernels() and 1 < side < _LARGE_KERNEL and (strides == 1 or channels > _FEW_CHANNELS):
        return kernel_gradient.convolve(inputs, kernel, strides, padding)
    inputs = _pad(inputs, padding)
    even = all(length and (length - side) % 2 for length in inputs.shape[1:3])  # are the outputs' sides
    if on_cpu() and strides == 1 and side >= _LARGE_KERNEL and filters <= _FEW_CHANNELS and even:
        return _in_blocks(inputs, kernel)
    return ops.conv(inputs, kernel, strides=strides, padding="valid")


def _pad(inputs: KerasTensor, padding: tuple[int, int]) -> KerasTensor:
    if uses_cpu_kernels():
        return reflection.pad(inputs, padding)
    return ops.pad(inputs, [[0, 0], padding, padding, [0, 0]], mode="reflect") if padding != (0, 0) else inputs


def _gains_by_winograd(inputs: KerasTensor, kernel: KerasTensor) -> bool:
    height, width = inputs.shape[1:3]
    if not uses_cpu_kernels() or kernel.shape[0] != 3 or None in (height, width) or inputs.dtype != "float32":
        return False
    pixels, channels = WINOGRAD_MINIMA
    enough = height * width >= pixels and min(kernel.shape[2:]) >= channels
    return enough and height % winograd.TILE == width % winograd.TILE == 0


def _has_few_pixels(inputs: KerasTensor, kernel: KerasTensor, padding: tuple[int, int]) -> bool:
    """Whether the kernel is larger than all that it meets; a batch of unknown size counts as one image."""
    batch, height, width, _ = inputs.shape
    if not uses_cpu_kernels() or not 1 < kernel.shape[0] < _LARGE_KERNEL:
        return False
    less, filters = kernel.shape[1] - 1 - sum(padding), kernel.shape[-1]
    return None not in (height, width) and (batch or 1) * (height - less) * (width - less) < filters


def _in_blocks(inputs: KerasTensor, kernel: KerasTensor) -> KerasTensor:
    """Takes each 2x2 pixels of the outputs for one pixel with four times as many filters."""
    places = ((y, x) for y in range(2) for x in range(2))
    shifted = [ops.pad(kernel, [[y, 1 - y], [x, 1 - x], [0, 0], [0, 0]]) for y, x in places]
    return ops.depth_to_space(ops.conv(inputs, ops.concatenate(shifted, -1), strides=2, padding="valid"), 2)
