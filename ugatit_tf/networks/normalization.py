"""Instance norm, and the two norms that mix instance and layer statistics by a learnt ratio rho.

Variances are biased and epsilon stands inside the square root, as in the reference. Each norm is reduced to one
scale and one shift for a sample and channel, so that the features are read and written once. The gradients are written
out: derived automatically, they take several times the operations, and many temporaries as large as the features.
"""

from collections.abc import Callable

import keras
from keras import KerasTensor, ops

from ugatit_tf.ops.tracing import shared

EPSILON = 1e-5


@shared
@ops.custom_gradient
def instance_norm(x: KerasTensor, gamma: KerasTensor, beta: KerasTensor) -> tuple[KerasTensor, Callable]:
    """`x_IN * gamma + beta` for `[B, H, W, C]`, with gamma and beta `[1, 1, 1, C]`."""
    mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)  # [B, 1, 1, C]
    inverse = ops.rsqrt(variance + EPSILON)
    scale = gamma * inverse

    def gradients(upstream: KerasTensor) -> tuple[KerasTensor, ...]:
        scale_gradient, shift_gradient = _affine_gradients(upstream, x)
        centred = scale_gradient - mean * shift_gradient  # the sum of upstream * (x - mean)
        variance_gradient = gamma * centred * _rsqrt_slope(inverse)
        x_gradient = upstream * scale + _through_moments(x, mean, -scale * shift_gradient, variance_gradient)
        return x_gradient, _sum_like(centred * inverse, gamma), _sum_like(shift_gradient, gamma)

    return x * scale + (beta - mean * scale), gradients


@shared
@ops.custom_gradient
def instance_layer_norm(
    x: KerasTensor, rho: KerasTensor, gamma: KerasTensor, beta: KerasTensor
) -> tuple[KerasTensor, Callable]:
    """`(rho * x_IN + (1 - rho) * x_LN) * gamma + beta` (equation 1 of the paper).

    Args:
        x: `[B, H, W, C]`.
        rho: `[1, 1, 1, C]`, in [0, 1]; 1 is pure instance norm.
        gamma: `[B, 1, 1, C]` or `[1, 1, 1, C]`.
        beta: like gamma.

    Returns:
        `[B, H, W, C]`.
    """
    mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)  # [B, 1, 1, C]
    layer_mean = ops.mean(mean, axis=-1, keepdims=True)  # [B, 1, 1, 1], as every channel has the same number of pixels
    layer_variance = ops.mean(variance + ops.square(mean - layer_mean), axis=-1, keepdims=True)
    inverse, layer_inverse = ops.rsqrt(variance + EPSILON), ops.rsqrt(layer_variance + EPSILON)
    instance_scale, layer_scale = rho * inverse, (1.0 - rho) * layer_inverse
    scale = gamma * (instance_scale + layer_scale)
    # Times -1: TFLite would compute a unary minus in floats even where all else is int8.
    shift = gamma * ((mean * instance_scale + layer_mean * layer_scale) * -1.0) + beta

    def gradients(upstream: KerasTensor) -> tuple[KerasTensor, ...]:
        scale_gradient, shift_gradient = _affine_gradients(upstream, x)
        centred = scale_gradient - mean * shift_gradient  # sums of upstream * (x - mean), for both means
        layer_centred = scale_gradient - layer_mean * shift_gradient
        layer_inverse_gradient = ops.sum(gamma * (1.0 - rho) * layer_centred, axis=-1, keepdims=True)
        layer_variance_gradient = layer_inverse_gradient * _rsqrt_slope(layer_inverse)
        layer_mean_gradient = -ops.sum(gamma * layer_scale * shift_gradient, axis=-1, keepdims=True)

        channel = 1.0 / x.shape[-1]  # what each channel has of the layer's moments
        mean_gradient = -gamma * instance_scale * shift_gradient + channel * (
            layer_mean_gradient + 2.0 * layer_variance_gradient * (mean - layer_mean)
        )
        variance_gradient = gamma * rho * centred * _rsqrt_slope(inverse) + channel * layer_variance_gradient
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


def _of_channels(variable: keras.Variable) -> KerasTensor:
    return ops.reshape(variable, (1, 1, 1, -1))


@keras.saving.register_keras_serializable("ugatit_tf")
class UnitInterval(keras.constraints.Constraint):
    """Clips a variable to [0, 1]; optimizers apply it to every rho after each of their steps."""

    def __call__(self, w: KerasTensor) -> KerasTensor:
        return ops.clip(w, 0.0, 1.0)


@keras.saving.register_keras_serializable("ugatit_tf")
class InstanceNorm(keras.layers.Layer):
    """Normalises each sample and channel over H and W, then applies a learnt `gamma` and `beta`, `[C]` each."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.gamma = self.add_weight(name="gamma", shape=input_shape[-1:], initializer="ones")
        self.beta = self.add_weight(name="beta", shape=input_shape[-1:], initializer="zeros")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        return instance_norm(inputs, _of_channels(self.gamma), _of_channels(self.beta))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable("ugatit_tf")
class AdaLIN(keras.layers.Layer):
    """Adaptive layer-instance normalisation (equation 1 of the paper): gamma and beta are inputs.

    Args:
        smoothing: use clip(rho - 0.1, 0, 1) for rho, the reference's `--smoothing`, which moves the mix a little
            towards layer statistics and so evens out the blobs of pure instance norm.

    Input `[B, H, W, C]` with gamma and beta `[B, 1, 1, C]`; output as the input.
    """

    def __init__(self, smoothing: bool = True, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.smoothing = smoothing

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        self.rho = self.add_weight(name="rho", shape=input_shape[-1:], initializer="ones", constraint=UnitInterval())

    def call(self, inputs: KerasTensor, gamma: KerasTensor, beta: KerasTensor) -> KerasTensor:
        rho = _of_channels(self.rho)
        if self.smoothing:
            rho = ops.clip(rho - 0.1, 0.0, 1.0)
        return instance_layer_norm(inputs, rho, gamma, beta)

    def compute_output_shape(self, input_shape: tuple[int | None, ...], *_: object) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict:
        return super().get_config() | {"smoothing": self.smoothing}


@keras.saving.register_keras_serializable("ugatit_tf")
class LIN(keras.layers.Layer):
    """Layer-instance normalisation: AdaLIN's mix with a learnt `gamma` and `beta`, `[C]` each, and no smoothing."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = input_shape[-1:]
        self.rho = self.add_weight(name="rho", shape=shape, initializer="zeros", constraint=UnitInterval())
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        parameters = (_of_channels(variable) for variable in (self.rho, self.gamma, self.beta))
        return instance_layer_norm(inputs, *parameters)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
