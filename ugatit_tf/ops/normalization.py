"""Instance norm, and its mix with layer norm, each as one scale and one shift for a sample and channel.

So the features are read and written once. The gradients are written out: derived automatically, they take several
times the operations, and many temporaries as large as the features. Variances are biased unless it says otherwise, and
epsilon stands inside the square root, as in the reference.
"""

import functools
from collections.abc import Callable

from keras import KerasTensor, ops

from ugatit_tf.ops.tracing import shared

NORM_EPSILON = 1e-5  # beside a variance


@shared
@ops.custom_gradient
def instance_norm(x: KerasTensor, gamma: KerasTensor, beta: KerasTensor) -> tuple[KerasTensor, Callable]:
    """`x_IN * gamma + beta` for `[B, H, W, C]`, with gamma and beta `[1, 1, 1, C]`."""
    mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)  # [B, 1, 1, C]
    inverse = ops.rsqrt(variance + NORM_EPSILON)
    scale = gamma * inverse

    def gradients(upstream: KerasTensor) -> tuple[KerasTensor, ...]:
        scale_gradient, shift_gradient = _affine_gradients(upstream, x)
        centred = scale_gradient - mean * shift_gradient  # the sum of upstream * (x - mean)
        variance_gradient = gamma * centred * _rsqrt_slope(inverse)
        x_gradient = upstream * scale + _through_moments(x, mean, -scale * shift_gradient, variance_gradient)
        return x_gradient, _sum_like(centred * inverse, gamma), _sum_like(shift_gradient, gamma)

    return x * scale + (beta - mean * scale), gradients


def instance_layer_norm(
    x: KerasTensor, rho: KerasTensor, gamma: KerasTensor, beta: KerasTensor, *, unbiased: bool = False
) -> KerasTensor:
    """`(rho * x_IN + (1 - rho) * x_LN) * gamma + beta` (equation 1 of the paper).

    Args:
        x: `[B, H, W, C]`.
        rho: `[1, 1, 1, C]`, in [0, 1]; 1 is pure instance norm.
        gamma: `[B, 1, 1, C]` or `[1, 1, 1, C]`.
        beta: like gamma.
        unbiased: whether variances are sums of squares over N - 1, where N is the number of values; there must be more
            than one pixel then.

    Returns:
        `[B, H, W, C]`.
    """
    return _instance_layer_norm(unbiased)(x, rho, gamma, beta)


@functools.cache
def _instance_layer_norm(unbiased: bool) -> Callable[..., KerasTensor]:
    @shared
    @ops.custom_gradient
    def norm(*tensors: KerasTensor) -> tuple[KerasTensor, Callable]:
        return _with_gradients(*tensors, unbiased=unbiased)

    return norm


def _with_gradients(
    x: KerasTensor, rho: KerasTensor, gamma: KerasTensor, beta: KerasTensor, *, unbiased: bool
) -> tuple[KerasTensor, Callable]:
    unbias, unbias_layer = _corrections(x, unbiased)
    mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)  # [B, 1, 1, C]
    layer_mean = ops.mean(mean, axis=-1, keepdims=True)  # [B, 1, 1, 1], as every channel has the same number of pixels
    layer_variance = ops.mean(variance + ops.square(mean - layer_mean), axis=-1, keepdims=True)
    inverse = ops.rsqrt(unbias(variance) + NORM_EPSILON)
    layer_inverse = ops.rsqrt(unbias_layer(layer_variance) + NORM_EPSILON)
    instance_scale, layer_scale = rho * inverse, (1.0 - rho) * layer_inverse
    scale = gamma * (instance_scale + layer_scale)
    # Times -1: TFLite would compute a unary minus in floats even where all else is int8.
    shift = gamma * ((mean * instance_scale + layer_mean * layer_scale) * -1.0) + beta

    def gradients(upstream: KerasTensor) -> tuple[KerasTensor, ...]:
        scale_gradient, shift_gradient = _affine_gradients(upstream, x)
        centred = scale_gradient - mean * shift_gradient  # sums of upstream * (x - mean), for both means
        layer_centred = scale_gradient - layer_mean * shift_gradient
        layer_inverse_gradient = ops.sum(gamma * (1.0 - rho) * layer_centred, axis=-1, keepdims=True)
        layer_variance_gradient = unbias_layer(layer_inverse_gradient * _rsqrt_slope(layer_inverse))
        layer_mean_gradient = -ops.sum(gamma * layer_scale * shift_gradient, axis=-1, keepdims=True)

        channel = 1.0 / x.shape[-1]  # what each channel has of the layer's moments
        mean_gradient = -gamma * instance_scale * shift_gradient + channel * (
            layer_mean_gradient + 2.0 * layer_variance_gradient * (mean - layer_mean)
        )
        instance_variance_gradient = unbias(gamma * rho * centred * _rsqrt_slope(inverse))
        variance_gradient = instance_variance_gradient + channel * layer_variance_gradient
        x_gradient = upstream * scale + _through_moments(x, mean, mean_gradient, variance_gradient)
        rho_gradient = gamma * (centred * inverse - layer_centred * layer_inverse)
        gamma_gradient = centred * instance_scale + layer_centred * layer_scale
        return (
            x_gradient,
            _sum_like(rho_gradient, rho),
            _sum_like(gamma_gradient, gamma),
            _sum_like(shift_gradient, gamma),
        )

    return x * scale + shift, gradients


def _corrections(x: KerasTensor, unbiased: bool) -> tuple[Callable, Callable]:
    """Bessel's correction of a variance over the pixels, and of one over pixels and channels; or of their gradients."""
    if not unbiased:
        return (lambda variance: variance,) * 2
    pixels = ops.cast(ops.shape(x)[1] * ops.shape(x)[2], x.dtype)
    values = pixels * x.shape[-1]
    return lambda variance: variance * (pixels / (pixels - 1.0)), lambda variance: variance * (values / (values - 1.0))


def _affine_gradients(upstream: KerasTensor, x: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """The gradients of scale and shift in `x * scale + shift`, `[B, 1, 1, C]` each."""
    return ops.sum(upstream * x, axis=(1, 2), keepdims=True), ops.sum(upstream, axis=(1, 2), keepdims=True)


def _through_moments(
    x: KerasTensor, mean: KerasTensor, mean_gradient: KerasTensor, variance_gradient: KerasTensor
) -> KerasTensor:
    """What x's gradient has from those of its mean and its variance."""
    pixel = 1.0 / ops.cast(ops.shape(x)[1] * ops.shape(x)[2], x.dtype)
    slope = (2.0 * pixel) * variance_gradient
    return x * slope + (pixel * mean_gradient - mean * slope)


def _rsqrt_slope(inverse: KerasTensor) -> KerasTensor:
    """The derivative of `variance ** -0.5` where it has this value."""
    return -0.5 * inverse * inverse * inverse


def _sum_like(gradient: KerasTensor, parameter: KerasTensor) -> KerasTensor:
    """Sums over the batch where all samples share the parameter."""
    return ops.sum(gradient, axis=0, keepdims=True) if parameter.shape[0] == 1 else gradient
