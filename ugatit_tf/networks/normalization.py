"""Normalization layers: instance norm, and AdaLIN and LIN, which mix instance and layer norm (equation 1).

AdaLIN and LIN learn the ratio rho of the mix for each channel. Rho is clipped to [0, 1] after each update.
"""

import keras
from keras import KerasTensor, ops

from ugatit_tf.ops import instance_layer_norm, instance_norm


@keras.saving.register_keras_serializable("ugatit_tf")
class UnitInterval(keras.constraints.Constraint):
    """Clips a variable to [0, 1]. The optimizer applies this constraint to every rho after each step."""

    def __call__(self, w: KerasTensor) -> KerasTensor:
        return ops.clip(w, 0.0, 1.0)


@keras.saving.register_keras_serializable("ugatit_tf")
class InstanceNorm(keras.layers.Layer):
    """Normalizes each sample and channel over H and W, then applies learned `gamma` and `beta`, `[C]` each.

    Input and output: `[B, H, W, C]`.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.gamma = self.add_weight(name="gamma", shape=input_shape[-1:], initializer="ones")
        self.beta = self.add_weight(name="beta", shape=input_shape[-1:], initializer="zeros")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        return instance_norm(inputs, self.gamma, self.beta)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable("ugatit_tf")
class AdaLIN(keras.layers.Layer):
    """Adaptive layer-instance normalization (equation 1 of the paper): gamma and beta are inputs.

    Args:
        smoothing: whether to use clip(rho - 0.1, 0, 1) for rho, as the reference's `--smoothing` does. It moves the mix
            towards layer norm, which reduces the blobs that pure instance norm makes.
        unbiased: whether variances divide by N - 1 instead of N, the number of values. Features must then have more
            than one pixel.

    Input: features `[B, H, W, C]`, gamma and beta `[B, 1, 1, C]`. Output: `[B, H, W, C]`.
    """

    def __init__(self, smoothing: bool = True, unbiased: bool = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.smoothing = smoothing
        self.unbiased = unbiased

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        self.rho = self.add_weight(name="rho", shape=input_shape[-1:], initializer="ones", constraint=UnitInterval())

    def call(self, inputs: KerasTensor, gamma: KerasTensor, beta: KerasTensor) -> KerasTensor:
        rho = ops.relu(self.rho - 0.1) if self.smoothing else self.rho  # no clip at 1, because rho is at most 1
        return instance_layer_norm(inputs, rho, gamma, beta, unbiased=self.unbiased)

    def compute_output_shape(self, input_shape: tuple[int | None, ...], *_: object) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict:
        return super().get_config() | {"smoothing": self.smoothing, "unbiased": self.unbiased}


@keras.saving.register_keras_serializable("ugatit_tf")
class LIN(keras.layers.Layer):
    """Layer-instance normalization: AdaLIN without smoothing, with learned `gamma` and `beta`, `[C]` each.

    Args:
        unbiased: whether variances divide by N - 1 instead of N; see `AdaLIN`.

    Input and output: `[B, H, W, C]`.
    """

    def __init__(self, unbiased: bool = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.unbiased = unbiased

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = input_shape[-1:]
        self.rho = self.add_weight(name="rho", shape=shape, initializer="zeros", constraint=UnitInterval())
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        return instance_layer_norm(inputs, self.rho, self.gamma, self.beta, unbiased=self.unbiased)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict:
        return super().get_config() | {"unbiased": self.unbiased}
