"""The MLP that computes AdaLIN's gamma and beta from the attended features (figure 2 of the paper, "MLP")."""

import math

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.convolution import kernel_initializer
from ugatit_tf.ops import LargeDense


@keras.saving.register_keras_serializable("ugatit_tf")
class AffineMLP(keras.layers.Layer):
    """Computes AdaLIN's gamma and beta, the style parameters of equation 1.

    Args:
        units: width of every Dense layer.
        light: whether the features are averaged over H and W first, so that any image size works. Otherwise they are
            flattened, and the weights work for one image size only.

    Input: attended features `[B, H, W, C]`. Output: gamma and beta, `[B, 1, 1, units]` each.
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
                f"The full generator needs a fixed image size, because it flattens its features; got {input_shape}."
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
                f"The full generator was built for {self.linear_0.kernel.shape[0]} features, but an image of this size "
                f"has {features}. Use the size it was built for, or a light generator, which takes any size."
            )
        return ops.reshape(inputs, (-1, features))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        return ((input_shape[0], 1, 1, self.units),) * 2

    def get_config(self) -> dict:
        return super().get_config() | {"units": self.units, "light": self.light}
