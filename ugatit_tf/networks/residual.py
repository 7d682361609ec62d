"""Residual blocks of the generator: with instance norm in its encoder, with AdaLIN in its decoder."""

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.convolution import ReflectConv2D
from ugatit_tf.networks.normalization import AdaLIN, InstanceNorm


class FeatureLayer(keras.layers.Layer):
    """Keeps the features' shape, `[B, H, W, filters]`; where `adaptive`, gamma and beta for AdaLIN are inputs too.

    Args:
        filters: number of channels.
        adaptive: whether its norms are AdaLIN.
        smoothing: see `AdaLIN`.
        unbiased: likewise.
    """

    def __init__(
        self,
        filters: int,
        adaptive: bool = False,
        smoothing: bool = True,
        unbiased: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.adaptive = adaptive
        self.smoothing = smoothing
        self.unbiased = unbiased

    def compute_output_shape(self, input_shape: tuple[int | None, ...], *_: object) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict:
        return super().get_config() | {
            "filters": self.filters,
            "adaptive": self.adaptive,
            "smoothing": self.smoothing,
            "unbiased": self.unbiased,
        }


@keras.saving.register_keras_serializable("ugatit_tf")
class ConvNorm(FeatureLayer):
    """3x3 convolution, then instance norm, or AdaLIN where `adaptive`."""

    def __init__(
        self,
        filters: int,
        adaptive: bool = False,
        smoothing: bool = True,
        unbiased: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(filters, adaptive, smoothing, unbiased, **kwargs)
        self.conv = ReflectConv2D(filters, 3, padding=1, name="conv_0")
        if adaptive:
            self.norm = AdaLIN(smoothing, unbiased, name="instance_layer_norm")
        else:
            self.norm = InstanceNorm(name="instance_norm")

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        self.conv.build(input_shape)
        self.norm.build(self.conv.compute_output_shape(input_shape))

    def call(self, inputs: KerasTensor, *affine: KerasTensor) -> KerasTensor:
        return self.norm(self.conv(inputs), *affine)


@keras.saving.register_keras_serializable("ugatit_tf")
class ResidualBlock(FeatureLayer):
    """conv, norm, ReLU, conv, norm, plus the input."""

    def __init__(
        self,
        filters: int,
        adaptive: bool = False,
        smoothing: bool = True,
        unbiased: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(filters, adaptive, smoothing, unbiased, **kwargs)
        self.res1 = ConvNorm(filters, adaptive, smoothing, unbiased, name="res1")
        self.res2 = ConvNorm(filters, adaptive, smoothing, unbiased, name="res2")

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        self.res1.build(input_shape)
        self.res2.build(input_shape)

    def call(self, inputs: KerasTensor, *affine: KerasTensor) -> KerasTensor:
        return inputs + self.res2(ops.relu(self.res1(inputs, *affine)), *affine)
