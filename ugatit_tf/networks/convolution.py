"""Convolution layers of the networks: reflect padding, spectral normalization, upsampling."""

import keras
from keras import KerasTensor

from ugatit_tf.ops import SpectralNorm, conv2d, read, spectral_norm, upsample_conv2d

KERNEL_INITIALIZER_STDDEV = 0.02


def kernel_initializer() -> keras.initializers.Initializer:
    """Returns the reference's initializer N(0, 0.02) as a new object.

    Layers that shared one object would begin with equal kernels.
    """
    return keras.initializers.RandomNormal(stddev=KERNEL_INITIALIZER_STDDEV)


def reflect_padding(kernel_size: int, strides: int, padding: int) -> tuple[int, int]:
    """Returns the padding of the reference's `conv` in pixels: at the top and left, and at the bottom and right.

    The bottom and right get another number than `padding` if the kernel is even and the stride odd, or the reverse.
    """
    after = padding if (kernel_size - strides) % 2 == 0 else kernel_size - strides - padding
    return padding, after


class SpectralNormLayer(keras.layers.Layer):
    """Base class of layers with a `kernel` that can be divided by its spectral norm.

    The stored kernel is not divided. With spectral norm, the layer also has a non-trainable variable `u` of shape
    `[1, out]`, from which the power iteration starts. A call with `training=True` stores the new `u`; other calls
    do not change it.

    Args:
        spectral_norm: whether the kernel is divided by its spectral norm.
    """

    def __init__(self, *, spectral_norm: bool = False, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.spectral_norm = spectral_norm

    def _add_kernel(self, shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=kernel_initializer())
        if self.spectral_norm:
            self.u = self.add_weight(
                name="u", shape=(1, shape[-1]), initializer=keras.initializers.RandomNormal(stddev=1.0), trainable=False
            )

    def _kernel_and_norm(self, training: bool) -> tuple[KerasTensor, SpectralNorm | None]:
        """Returns the stored kernel, and the spectral norm that must divide its products; None without one."""
        kernel = read(self.kernel)
        if not self.spectral_norm:
            return kernel, None
        norm = spectral_norm(kernel, self.u)
        if training:
            self.u.assign(norm.u)
        return kernel, norm

    def get_config(self) -> dict:
        return super().get_config() | {"spectral_norm": self.spectral_norm}


@keras.saving.register_keras_serializable("ugatit_tf")
class ReflectConv2D(SpectralNormLayer):
    """Pads by reflection, convolves, and adds a bias: the reference's `conv`.

    Args:
        filters: number of output channels.
        kernel_size: side of the square kernel, in pixels.
        strides: stride along both axes, in pixels.
        padding: the reference's `pad`; see `reflect_padding`.
        spectral_norm: whether the kernel is divided by its spectral norm.

    Input: float `[B, H, W, C]`; H and W must be larger than the padding. Output: float `[B, H', W', filters]`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        padding: int = 0,
        *,
        spectral_norm: bool = False,
        **kwargs: object,
    ) -> None:
        super().__init__(spectral_norm=spectral_norm, **kwargs)
        self.filters = filters
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._add_kernel((self.kernel_size, self.kernel_size, input_shape[-1], self.filters))
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        kernel, norm = self._kernel_and_norm(training)
        padding = reflect_padding(self.kernel_size, self.strides, self.padding)
        return conv2d(inputs, kernel, self.bias, strides=self.strides, padding=padding, norm=norm)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        pad = sum(reflect_padding(self.kernel_size, self.strides, self.padding))
        sides = (side and (side + pad - self.kernel_size) // self.strides + 1 for side in input_shape[1:3])
        return (input_shape[0], *sides, self.filters)

    def get_config(self) -> dict:
        return super().get_config() | {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }


@keras.saving.register_keras_serializable("ugatit_tf")
class UpsampleConv2D(keras.layers.Layer):
    """Doubles both sides by nearest neighbour, then convolves 3x3 with reflect padding.

    Args:
        filters: number of output channels.

    Input: float `[B, H, W, C]`. Output: float `[B, 2H, 2W, filters]`.
    """

    def __init__(self, filters: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.filters = filters

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (3, 3, input_shape[-1], self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=kernel_initializer())
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, inputs: KerasTensor) -> KerasTensor:
        return upsample_conv2d(inputs, self.kernel, self.bias)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, height, width, _ = input_shape
        return (batch, height and 2 * height, width and 2 * width, self.filters)

    def get_config(self) -> dict:
        return super().get_config() | {"filters": self.filters}
