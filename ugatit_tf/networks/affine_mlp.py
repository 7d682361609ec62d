"""The MLP that steers the decoder's AdaLIN by the attended features."""

import math

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.convolution import kernel_initializer
from ugatit_tf.ops import LargeDense


@keras.saving.register_keras_serializable("ugatit_tf")
class AffineMLP(keras.layers.Layer):
    """Makes AdaLIN's gamma and beta, `[B, 1, 1, units]` each, out of the attended features `[B, H, W, C]`.

    Args:
        units: width of every Dense layer.
        light: pool the features over H and W first, so that any image size will do; otherwise flatten them, which
            ties the weights to one image size.
    """

    def __init__(self, units: int, light: bool, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.light = light
        self.linear_0, self.linear_1, self.gamma, self.beta = (
            dense(units, kernel_initializer=kernel_initializer(), name=name)
            for name, dense in (
                ("linear_0", keras.layers.Dense if light else LargeDense),
                ("linear_1", keras.layers.Dense),
                ("gamma", keras.layers.Dense),
                ("beta", keras.layers.Dense),
            )
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        batch, height, width, channels = input_shape
        if self.light:
            features = channels
        elif height is None or width is None:
            raise ValueError(
                f"The full generator flattens its features: it needs a fixed image size, got {input_shape}."
            )
        else:
            features = height * width * channels
        self.linear_0.build((batch, features))
        for layer in (self.linear_1, self.gamma, self.beta):
            layer.build((batch, self.units))

    def call(self, inputs: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        x = ops.mean(inputs, axis=(1, 2)) if self.light else self._flatten(inputs)
        x = ops.relu(self.linear_0(x))
        x = ops.relu(self.linear_1(x))
        shape = (-1, 1, 1, self.units)
        return ops.reshape(self.gamma(x), shape), ops.reshape(self.beta(x), shape)

    def _flatten(self, inputs: KerasTensor) -> KerasTensor:
        features = math.prod(inputs.shape[1:])
        if features != self.linear_0.kernel.shape[0]:
            raise ValueError(
                f"The full generator was built for features of {self.linear_0.kernel.shape[0]} values in all, but an "
                f"image of this size gives {features}; only the light one takes any size."
            )
        return ops.reshape(inputs, (-1, features))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        return ((input_shape[0], 1, 1, self.units),) * 2

    def get_config(self) -> dict:
        return super().get_config() | {"units": self.units, "light": self.light}
