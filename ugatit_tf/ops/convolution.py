"""Convolutions with reflect padding, each computed by the algorithm that is fastest for its sizes.

On a GPU, every convolution is TensorFlow's own operation. On a CPU, the 7x7
convolution that makes the image is computed in blocks of 2x2 pixels. Inside a `cpu_kernels` block, most convolutions
are CPU kernels:

- Winograd's algorithm for 3x3 kernels with many channels (`winograd`);
- one matrix product for outputs with fewer pixels than the kernel has filters (`patches`);
- TensorFlow's convolution with another gradient for the rest (`kernel_gradient`).

All algorithms give equal results up to rounding. Where the sizes are unknown while tracing, an algorithm is chosen that
works for any size. Products are computed in the compute dtype, except where float32 is as fast.
"""

from keras import KerasTensor, ops

from ugatit_tf.ops import kernel_gradient, patches, reflection, winograd
from ugatit_tf.ops.cpu import on_cpu, uses_cpu_kernels
from ugatit_tf.ops.precision import to_compute_dtype, to_float32
from ugatit_tf.ops.spectral import SpectralNorm
from ugatit_tf.ops.tracing import read

WINOGRAD_MINIMA = (256, 64)  # pixels, and channels and filters, from which on Winograd's algorithm takes less time
_FEW_CHANNELS = 4  # a CPU computes 16 channels at once, so fewer waste most of its work
_LARGE_KERNEL = 7  # side in pixels


def conv2d(
    inputs: KerasTensor,
    kernel: KerasTensor,
    bias: KerasTensor,
    *,
    strides: int = 1,
    padding: tuple[int, int] = (0, 0),
    norm: SpectralNorm | None = None,
) -> KerasTensor:
    """Pads by reflection, convolves with the kernel divided by its norm, and adds a bias.

    Args:
        inputs: float32 `[B, H, W, C]`; H and W are larger than the padding.
        kernel: `[k, k, C, filters]`.
        bias: `[filters]`.
        strides: stride along both axes, in pixels.
        padding: pixels added at the top and left, and pixels added at the bottom and right.
        norm: spectral norm of the kernel, which divides it; None for the kernel as it is.

    Returns:
        float32 `[B, H', W', filters]`.
    """
    # The first two branches stay in float32 whatever the compute dtype is. Winograd's algorithm in float32 is faster
    # than a plain convolution in bfloat16, and too inexact in bfloat16. For few pixels, casting the kernel takes longer
    # than multiplying by it.
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
        # Divide the output, not the kernel: in the deep layers the kernel is larger.
        x = x / ops.cast(norm.value, x.dtype)
    # ops.add, not +, because TensorFlow fuses ops.add into the convolution.
    return to_float32(ops.add(x, ops.cast(bias, x.dtype)))


def upsample_conv2d(inputs: KerasTensor, kernel: KerasTensor, bias: KerasTensor) -> KerasTensor:
    """Doubles both sides by nearest neighbour, pads by reflecting one pixel, convolves 3x3, and adds a bias.

    One transposed convolution of the small image with a 4x4 kernel computes all of this with 4/9 of the
    multiplications. The 4x4 kernel is a sum of shifted 3x3 kernels. Reflecting the border of the doubled image equals
    repeating the border pixels of the small one.

    Args:
        inputs: float32 `[B, H, W, C]`.
        kernel: `[3, 3, C, filters]`.
        bias: `[filters]`.

    Returns:
        float32 `[B, 2 * H, 2 * W, filters]`.
    """
    kernel = read(kernel)
    if _gains_by_upsampling_kernel(kernel):
        return to_float32(ops.add(kernel_gradient.upsample(to_compute_dtype(inputs), kernel), to_compute_dtype(bias)))
    kernel = to_compute_dtype(ops.swapaxes(_doubled(_doubled(kernel, axis=0), axis=1), 2, 3))
    x = ops.pad(to_compute_dtype(inputs), [[0, 0], [1, 1], [1, 1], [0, 0]], mode="symmetric")
    x = ops.add(ops.conv_transpose(x, kernel, strides=2, padding="same"), to_compute_dtype(bias))
    batch, height, width, _ = ops.shape(inputs)
    # ops.slice, not [2:-2], because on TensorFlow the gradient of the latter takes many times as long.
    return to_float32(ops.slice(x, (0, 2, 2, 0), (batch, 2 * height, 2 * width, kernel.shape[2])))


def _doubled(kernel: KerasTensor, axis: int) -> KerasTensor:
    """Returns the 4-tap transposed kernel that equals a 3-tap kernel on the upsampled image, along one axis."""
    first, second, third = ops.split(kernel, 3, axis=axis)
    return ops.concatenate([third, second + third, first + second, first], axis=axis)


def _convolve(inputs: KerasTensor, kernel: KerasTensor, strides: int, padding: tuple[int, int]) -> KerasTensor:
    """Pads by reflection and convolves, in the dtype that inputs and kernel share."""
    side, channels, filters = kernel.shape[1:]
    if uses_cpu_kernels() and 1 < side < _LARGE_KERNEL and (strides == 1 or channels > _FEW_CHANNELS):
        return kernel_gradient.convolve(inputs, kernel, strides, padding)
    inputs = _pad(inputs, padding)
    has_even_outputs = all(length and (length - side) % 2 for length in inputs.shape[1:3])
    if on_cpu() and strides == 1 and side >= _LARGE_KERNEL and filters <= _FEW_CHANNELS and has_even_outputs:
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


def _gains_by_upsampling_kernel(kernel: KerasTensor) -> bool:
    return uses_cpu_kernels() and kernel.shape[-1] > _FEW_CHANNELS


def _has_few_pixels(inputs: KerasTensor, kernel: KerasTensor, padding: tuple[int, int]) -> bool:
    """Returns whether the outputs have fewer pixels than filters; a batch of unknown size counts as one image."""
    batch, height, width, _ = inputs.shape
    if not uses_cpu_kernels() or not 1 < kernel.shape[0] < _LARGE_KERNEL:
        return False
    lost, filters = kernel.shape[1] - 1 - sum(padding), kernel.shape[-1]  # pixels by which outputs are smaller
    return None not in (height, width) and (batch or 1) * (height - lost) * (width - lost) < filters


def _in_blocks(inputs: KerasTensor, kernel: KerasTensor) -> KerasTensor:
    """Convolves with few filters: computes each block of 2x2 output pixels as one pixel with four times the filters.

    A CPU computes 16 filters at once, so three filters alone would waste most of its work.
    """
    offsets = ((y, x) for y in range(2) for x in range(2))
    shifted = [ops.pad(kernel, [[y, 1 - y], [x, 1 - x], [0, 0], [0, 0]]) for y, x in offsets]
    return ops.depth_to_space(ops.conv(inputs, ops.concatenate(shifted, -1), strides=2, padding="valid"), 2)
