"""Class activation map (CAM) attention (section 2.1 of the paper; figure 2, "auxiliary classifier").

An auxiliary classifier tells the two domains apart from globally pooled features. Its weights show which features
matter for that, so the features are multiplied by them.
"""

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.convolution import SpectralNormLayer, kernel_initializer
from ugatit_tf.ops import conv2d, read


@keras.saving.register_keras_serializable("ugatit_tf")
class CAM(SpectralNormLayer):
    """Classifies globally pooled features, and returns the classifier's weights as attention.

    Args:
        heads: 1 if the average and the max pool share a Dense unit, as in the reference; 2 if each has its own.
        spectral_norm: whether the kernel is divided by its spectral norm.

    Input: features `[B, H, W, C]`. Output: logits `[B, 2]`, first from the average pool, then from the max pool; and
    the attention weights `[C, heads]`. As in the reference, the bias is also added to the attention weights.
    """

    def __init__(self, heads: int = 1, *, spectral_norm: bool = False, **kwargs: object) -> None:
        super().__init__(spectral_norm=spectral_norm, **kwargs)
        self.heads = heads

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_kernel((input_shape[-1], self.heads))
        self.bias = self.add_weight(name="bias", shape=(self.heads,), initializer="zeros")

    def call(self, inputs: KerasTensor, training: bool = False) -> tuple[KerasTensor, KerasTensor]:
        kernel, norm = self._kernel_and_norm(training)  # [C, heads]
        if norm is not None:
            kernel = kernel / norm.value
        bias = read(self.bias)
        pooled = ops.stack([ops.mean(inputs, axis=(1, 2)), ops.max(inputs, axis=(1, 2))], axis=1)  # [B, 2, C]
        if self.heads == 1:
            logits = ops.squeeze(ops.matmul(pooled, kernel), axis=-1)
        else:
            logits = ops.sum(pooled * ops.transpose(kernel), axis=-1)
        return logits + bias, kernel + bias

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        return (input_shape[0], 2), (input_shape[-1], self.heads)

    def get_config(self) -> dict:
        return super().get_config() | {"heads": self.heads}


@keras.saving.register_keras_serializable("ugatit_tf")
class AttentionConv2D(keras.layers.Layer):
    """Weights the features by the attention and mixes them by a 1x1 convolution, the reference's `conv_1x1`.

    The reference multiplies the features by the weights of the average pool and of the max pool, concatenates both, and
    convolves `2C` channels. Here the weights multiply the two halves of the kernel `[1, 1, 2C, filters]` instead, and
    the halves are added. The result is equal, with half the multiplications.

    Args:
        filters: number of output channels.

    Input: features `[B, H, W, C]`, and attention weights: `[C, 1]` for both halves, or `[C, 2]`. Output: `[B, H, W,
    filters]`.
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
        if weights.shape[-1] == 1:
            kernel = (average_half + max_half) * weights
        else:
            kernel = average_half * weights[:, :1] + max_half * weights[:, 1:]
        return conv2d(inputs, kernel, self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...], *_: object) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return super().get_config() | {"filters": self.filters}
