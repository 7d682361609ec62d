"""Instance norm, and the two norms that mix instance and layer statistics by a learnt ratio rho.

Variances are biased and epsilon stands inside the square root, as in the reference. Each norm is reduced to one
scale and one shift for a sample and channel, so that the features are read and written once.
"""

import keras
from keras import KerasTensor, ops

EPSILON = 1e-5


def instance_moments(x: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """Mean and biased variance over H and W of `[B, H, W, C]`, both `[B, 1, 1, C]`."""
    return ops.moments(x, axes=(1, 2), keepdims=True)


def instance_layer_scale_shift(x: KerasTensor, rho: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """The affine map `x * scale + shift` that equals `rho * x_IN + (1 - rho) * x_LN` (equation 1 of the paper).

    Args:
        x: `[B, H, W, C]`.
        rho: `[C]`, in [0, 1]; 1 is pure instance norm.

    Returns:
        scale and shift, `[B, 1, 1, C]` each.
    """
    mean, variance = instance_moments(x)
    # The layer's moments follow from the channels': every channel has the same number of pixels.
    layer_mean = ops.mean(mean, axis=-1, keepdims=True)
    layer_variance = ops.mean(variance + ops.square(mean - layer_mean), axis=-1, keepdims=True)
    instance_scale = rho * ops.rsqrt(variance + EPSILON)
    layer_scale = (1.0 - rho) * ops.rsqrt(layer_variance + EPSILON)
    # Times -1: TFLite would compute a unary minus in floats even where all else is int8.
    return instance_scale + layer_scale, (mean * instance_scale + layer_mean * layer_scale) * -1.0


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
        mean, variance = instance_moments(inputs)
        scale = ops.convert_to_tensor(self.gamma) * ops.rsqrt(variance + EPSILON)
        return inputs * scale + (ops.convert_to_tensor(self.beta) - mean * scale)

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
        rho = ops.convert_to_tensor(self.rho)
        if self.smoothing:
            rho = ops.clip(rho - 0.1, 0.0, 1.0)
        scale, shift = instance_layer_scale_shift(inputs, rho)
        return inputs * (gamma * scale) + (gamma * shift + beta)

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
        gamma = ops.convert_to_tensor(self.gamma)
        scale, shift = instance_layer_scale_shift(inputs, ops.convert_to_tensor(self.rho))
        return inputs * (gamma * scale) + (gamma * shift + ops.convert_to_tensor(self.beta))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
