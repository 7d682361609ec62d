"""Residual blocks of the generator (figure 2 of the paper): instance norm in the encoder, AdaLIN in the decoder."""

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.convolution import ReflectConv2D
from ugatit_tf.networks.normalization import AdaLIN, InstanceNorm


class FeatureLayer(keras.layers.Layer):
    """Base class of layers that keep the shape of the features, `[B, H, W, filters]`.

    An adaptive layer also takes AdaLIN's gamma and beta, `[B, 1, 1, filters]` each.

    Args:
        filters: number of channels.
        adaptive: whether the norms are AdaLIN; otherwise they are instance norms.
        smoothing: whether AdaLIN lowers rho by 0.1; see `AdaLIN`.
        unbiased: whether AdaLIN uses unbiased variances; see `AdaLIN`.
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
        self._add_layers()

    def _add_layers(self) -> None:
        """Creates the layers that this one consists of."""
        raise NotImplementedError

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
    """Convolves 3x3, then normalizes by AdaLIN if `adaptive`, otherwise by instance norm."""

    def _add_layers(self) -> None:
        self.conv = ReflectConv2D(self.filters, 3, padding=1, name="conv_0")
        if self.adaptive:
            self.norm = AdaLIN(self.smoothing, self.unbiased, name="instance_layer_norm")
        else:
            self.norm = InstanceNorm(name="instance_norm")

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        self.conv.build(input_shape)
        self.norm.build(self.conv.compute_output_shape(input_shape))

    def call(self, inputs: KerasTensor, *affine: KerasTensor) -> KerasTensor:
        return self.norm(self.conv(inputs), *affine)


@keras.saving.register_keras_serializable("ugatit_tf")
class ResidualBlock(FeatureLayer):
    """Adds to its input: convolution, norm, ReLU, convolution, norm."""

    def _add_layers(self) -> None:
        self.res1, self.res2 = (
            ConvNorm(self.filters, self.adaptive, self.smoothing, self.unbiased, name=name) for name in ("res1", "res2")
        )

    def build(self, input_shape: tuple[int | None, ...], *_: object) -> None:
        self.res1.build(input_shape)
        self.res2.build(input_shape)

    def call(self, inputs: KerasTensor, *affine: KerasTensor) -> KerasTensor:
        return inputs + self.res2(ops.relu(self.res1(inputs, *affine)), *affine)
