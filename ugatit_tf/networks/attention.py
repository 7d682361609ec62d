"""Class activation map (CAM) attention: an auxiliary classifier whose weights also say which features matter."""

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.convolution import SpectralNormLayer, kernel_initializer
from ugatit_tf.ops import conv2d, read


@keras.saving.register_keras_serializable("ugatit_tf")
class CAM(SpectralNormLayer):
    """Classifies globally pooled features by one Dense unit, and gives that unit's weights as attention.

    Input `[B, H, W, C]`. Output: logits `[B, 2]`, from the average and from the max pool in that order; and the
    attention weights `[C]`. As in the reference, the bias is added to the weights too.
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_kernel((input_shape[-1], 1))
        self.bias = self.add_weight(name="bias", shape=(1,), initializer="zeros")

    def call(self, inputs: KerasTensor, training: bool = False) -> tuple[KerasTensor, KerasTensor]:
        kernel, norm = self._kernel_and_norm(training)  # [C, 1]
        if norm is not None:
            kernel = kernel / norm
        bias = read(self.bias)
        pooled = ops.stack([ops.mean(inputs, axis=(1, 2)), ops.max(inputs, axis=(1, 2))], axis=1)  # [B, 2, C]
        logits = ops.squeeze(ops.matmul(pooled, kernel), axis=-1) + bias
        return logits, ops.squeeze(kernel, axis=-1) + bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        return (input_shape[0], 2), (input_shape[-1],)


@keras.saving.register_keras_serializable("ugatit_tf")
class AttentionConv2D(keras.layers.Layer):
    """The reference's `conv_1x1` over features weighted "for" the average pool and "for" the max pool.

    As both weightings are the same (the pools share their Dense unit), the two halves of the kernel, `[1, 1, 2C,
    filters]`, act on the same features: they are added, and the weights multiply the kernel, not the features.

    Input: features `[B, H, W, C]` and attention weights `[C]`. Output `[B, H, W, filters]`.
    """

    def __init__(self, filters: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        shape = (1, 1, 2 * input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=kernel_initializer())
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: KerasTensor, weights: KerasTensor) -> KerasTensor:
        average_half, max_half = ops.split(read(self.kernel), 2, axis=2)
        kernel = (average_half + max_half) * ops.expand_dims(weights, -1)
        return conv2d(inputs, kernel, self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...], *_: object) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return super().get_config() | {"filters": self.filters}
