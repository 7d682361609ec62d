"""Spectral norm by power iteration."""

from typing import NamedTuple

from keras import KerasTensor, ops

_EPSILON = 1e-12


class SpectralNorm(NamedTuple):
    """A kernel's largest singular value, and its singular vectors, through which no gradient flows.

    Attributes:
        value: a scalar, `v` times the kernel times `u`.
        v: `[1, K]`, the left one.
        u: `[1, out]`, the right one.
    """

    value: KerasTensor
    v: KerasTensor
    u: KerasTensor


def spectral_norm(kernel: KerasTensor, u: KerasTensor) -> SpectralNorm:
    """Estimates a kernel's largest singular value by one power iteration (Miyato et al., 2018).

    Args:
        kernel: `[..., out]`.
        u: `[1, out]`, the estimate of the first right singular vector that the iteration starts from.
    """
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))  # [K, out]
    # Vectors are reshaped where the equations transpose the matrix: that would copy it.
    v = ops.reshape(ops.matmul(matrix, ops.reshape(u, (-1, 1))), (1, -1))  # [1, K]
    v = ops.stop_gradient(v * _inverse_norm(v))
    product = ops.matmul(v, matrix)  # [1, out]
    u = ops.stop_gradient(product * _inverse_norm(product))
    return SpectralNorm(ops.sum(product * u), v, u)


def _inverse_norm(x: KerasTensor) -> KerasTensor:
    return ops.rsqrt(ops.sum(x * x) + _EPSILON)
