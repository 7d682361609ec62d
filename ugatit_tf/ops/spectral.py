"""Spectral norm by power iteration (Miyato et al., 2018, algorithm 1)."""

from typing import NamedTuple

from keras import KerasTensor, ops

_EPSILON = 1e-12


class SpectralNorm(NamedTuple):
    """A kernel's largest singular value and its singular vectors.

    Gradients flow through the kernel in `value`, but not through the vectors.

    Attributes:
        value: a scalar, `v @ kernel @ transpose(u)`.
        v: `[1, K]`, the left singular vector.
        u: `[1, out]`, the right singular vector.
    """

    value: KerasTensor
    v: KerasTensor
    u: KerasTensor


def spectral_norm(kernel: KerasTensor, u: KerasTensor) -> SpectralNorm:
    """Estimates a kernel's largest singular value by one power iteration.

    Args:
        kernel: `[..., out]`, read as a matrix `[K, out]`.
        u: `[1, out]`, the last estimate of the right singular vector.
    """
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))  # [K, out]
    # The vector is reshaped where the equation transposes the matrix, because a transposed matrix is a copy.
    v = ops.reshape(ops.matmul(matrix, ops.reshape(u, (-1, 1))), (1, -1))  # [1, K]
    v = ops.stop_gradient(v * _inverse_norm(v))
    product = ops.matmul(v, matrix)  # [1, out]
    u = ops.stop_gradient(product * _inverse_norm(product))
    return SpectralNorm(ops.sum(product * u), v, u)


def _inverse_norm(x: KerasTensor) -> KerasTensor:
    return ops.rsqrt(ops.sum(x * x) + _EPSILON)
