"""The product at the heart of a convolution, in the forms that a CPU is fastest at."""

import contextlib
from collections.abc import Iterator

import keras
from keras import KerasTensor, ops

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    from ugatit_tf.networks import kernel_gradient

_FEW = 4  # filters: a CPU computes 16 at once, be they there or not
_LARGE = 7  # side of a kernel, in pixels
_scopes = [False]


@contextlib.contextmanager
def kernels_trained() -> Iterator[None]:
    """Lets convolutions called inside the context prepare for being differentiated by their kernels."""
    _scopes.append(True)
    try:
        yield
    finally:
        _scopes.pop()


def convolve(inputs: KerasTensor, kernel: KerasTensor, strides: int) -> KerasTensor:
    """Convolves without padding.

    Args:
        inputs: `[B, H, W, C]`.
        kernel: `[k, k, C, filters]`, of the same type.
        strides: in pixels.

    Returns:
        `[B, H', W', filters]`.
    """
    side, filters = kernel.shape[0], kernel.shape[-1]
    if strides == 1 and keras.backend.backend() == "tensorflow" and not tf.config.list_physical_devices("GPU"):
        even = all(length and (length - side) % 2 for length in inputs.shape[1:3])  # are the outputs' sides
        if side >= _LARGE and filters <= _FEW and even:
            return _in_blocks(inputs, kernel)
        if 1 < side < _LARGE and _scopes[-1]:
            return kernel_gradient.convolve(inputs, kernel)
    return ops.conv(inputs, kernel, strides=strides, padding="valid")


def _in_blocks(inputs: KerasTensor, kernel: KerasTensor) -> KerasTensor:
    """Takes each 2x2 pixels of the outputs for one pixel with four times as many filters."""
    places = ((y, x) for y in range(2) for x in range(2))
    shifted = [ops.pad(kernel, [[y, 1 - y], [x, 1 - x], [0, 0], [0, 0]]) for y, x in places]
    return ops.depth_to_space(ops.conv(inputs, ops.concatenate(shifted, -1), strides=2, padding="valid"), 2)
