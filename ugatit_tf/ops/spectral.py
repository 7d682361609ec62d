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
    fixed = ops.stop_gradient(matrix)
    # Vectors are reshaped where the equations transpose the matrix: that would copy it.
    v = _l2_normalize(ops.matmul(fixed, ops.reshape(ops.stop_gradient(u), (-1, 1))))  # [K, 1]
    u = _l2_normalize(ops.matmul(ops.reshape(v, (1, -1)), fixed))  # [1, out]
    sigma = ops.matmul(ops.matmul(ops.reshape(v, (1, -1)), matrix), ops.reshape(u, (-1, 1)))  # [1, 1]
    return ops.reshape(sigma, ()), u


def _l2_normalize(x: KerasTensor) -> KerasTensor:
    return x * ops.rsqrt(ops.sum(ops.square(x)) + _EPSILON)
