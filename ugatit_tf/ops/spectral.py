"""Spectral norm by power iteration."""

from keras import KerasTensor, ops

_EPSILON = 1e-12


def spectral_norm(kernel: KerasTensor, u: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Estimates a kernel's largest singular value by one power iteration (Miyato et al., 2018).

    Args:
        kernel: `[..., out]`.
        u: `[1, out]`, the estimate of the first right singular vector that the iteration starts from.

    Returns:
        The singular value, a scalar, and the next `u`. No gradient flows through `u`.
    """
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))  # [K, out]
    # Vectors are reshaped where the equations transpose the matrix: that would copy it.
    v = ops.reshape(ops.matmul(matrix, ops.reshape(u, (-1, 1))), (1, -1))  # [1, K]
    v = ops.stop_gradient(v * _inverse_norm(v))
    product = ops.matmul(v, matrix)  # [1, out]
    u = ops.stop_gradient(product * _inverse_norm(product))
    return ops.sum(product * u), u


def _inverse_norm(x: KerasTensor) -> KerasTensor:
    return ops.rsqrt(ops.sum(x * x) + _EPSILON)
