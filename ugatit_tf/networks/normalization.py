"""Instance norm, and the two norms that mix instance and layer statistics by a learnt ratio rho."""

import keras
from keras import KerasTensor, ops

from ugatit_tf.ops import instance_layer_norm, instance_norm


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
        return instance_norm(inputs, self.gamma, self.beta)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape


@keras.saving.register_keras_serializable("ugatit_tf")
class AdaLIN(keras.layers.Layer):
    """Adaptive layer-instance normalisation (equation 1 of the paper): gamma and beta are inputs.

    Args:
        smoothing: use clip(rho - 0.1, 0, 1) for rho, the reference's `--smoothing`, which moves the mix a little
            towards layer statistics and so evens out the blobs of pure instance norm.
        unbiased: take unbiased variances, sums of squares over N - 1 instead of N; there must be more than one pixel.

    Input `[B, H, W, C]` with gamma and beta `[B, 1, 1, C]`; output as the input.
    """

    def __init__(self, smoothing: bool = True, unbiased: bool = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.smoothing = smoothing
        self.unbiased = unbiased

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        self.rho = self.add_weight(name="rho", shape=input_shape[-1:], initializer="ones", constraint=UnitInterval())

    def call(self, inputs: KerasTensor, gamma: KerasTensor, beta: KerasTensor) -> KerasTensor:
        rho = ops.relu(self.rho - 0.1) if self.smoothing else self.rho  # at most 1, as rho is
        return instance_layer_norm(inputs, rho, gamma, beta, unbiased=self.unbiased)

    def compute_output_shape(self, input_shape: tuple[int | None, ...], *_: object) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict:
        return super().get_config() | {"smoothing": self.smoothing, "unbiased": self.unbiased}


@keras.saving.register_keras_serializable("ugatit_tf")
class LIN(keras.layers.Layer):
    """Layer-instance normalisation: AdaLIN's mix with a learnt `gamma` and `beta`, `[C]` each, and no smoothing.

    Args:
        unbiased: see `AdaLIN`.
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
