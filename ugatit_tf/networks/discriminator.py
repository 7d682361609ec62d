"""The discriminator of a domain (section 2.1.2 and figure 2 of the paper).

It consists of two patch networks of different depth, each with CAM attention. The local one judges small patches, the
global one large patches.
"""

from typing import Any, NamedTuple

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.attention import CAM, AttentionConv2D
from ugatit_tf.networks.convolution import ReflectConv2D
from ugatit_tf.networks.image_model import ImageModel
from ugatit_tf.ops import check_keras_settings, compute_dtype, shared_call

NEGATIVE_SLOPE = 0.2


class PatchOutput(NamedTuple):
    """The outputs of a patch discriminator.

    Attributes:
        logits: `[B, h, w, 1]`, one logit per patch; high where the patch looks real.
        cam_logits: `[B, 2]`, the auxiliary classifier's logits from the average and the max pool.
        heatmap: `[B, h, w]`, the channel sum of the attended features, not normalized.
    """

    logits: KerasTensor
    cam_logits: KerasTensor
    heatmap: KerasTensor


class DiscriminatorOutput(NamedTuple):
    """The outputs of a domain's two patch discriminators.

    Attributes:
        local: outputs of the network that judges small patches.
        global_: outputs of the network that judges large patches.
    """

    local: PatchOutput
    global_: PatchOutput

    @property
    def all_logits(self) -> tuple[KerasTensor, ...]:
        """Returns the four tensors of logits in the order of `LOGIT_NAMES`.

        The adversarial loss and the penalties are sums over these four.
        """
        return (self.local.logits, self.local.cam_logits, self.global_.logits, self.global_.cam_logits)


LOGIT_NAMES = ("local", "local_cam", "global", "global_cam")


@keras.saving.register_keras_serializable("ugatit_tf")
class PatchDiscriminator(keras.Model):
    """Judges each patch of an image: real or translated.

    Args:
        ch: channels of the first convolution; each further convolution doubles them.
        n_layers: number of convolutions with stride 2.
        spectral_norm: whether kernels are divided by their spectral norm, except that of `conv_1x1`.

    Input: `[B, H, W, C]` in [-1, 1]. Output: a `PatchOutput` with h = H / 2**n_layers and w = W / 2**n_layers. A call
    with `training=True` advances the power iteration of spectral norm.
    """

    def __init__(self, ch: int, n_layers: int, spectral_norm: bool = True, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.ch = ch
        self.n_layers = n_layers
        self.spectral_norm = spectral_norm

        last = ch * 2**n_layers
        self.convs = (
            *(
                ReflectConv2D(ch * 2**i, 4, strides=2, padding=1, spectral_norm=spectral_norm, name=f"conv_{i}")
                for i in range(n_layers)
            ),
            ReflectConv2D(last, 4, padding=1, spectral_norm=spectral_norm, name="conv_last"),
        )
        self.cam = CAM(spectral_norm=spectral_norm, name="CAM_logit")
        self.attention_conv = AttentionConv2D(last, name="conv_1x1")
        self.to_logits = ReflectConv2D(1, 4, padding=1, spectral_norm=spectral_norm, name="D_logit")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = tuple(input_shape)
        for conv in self.convs:
            conv.build(shape)
            shape = conv.compute_output_shape(shape)
        self.cam.build(shape)
        self.attention_conv.build(shape)
        self.to_logits.build(shape)

    def call(self, inputs: KerasTensor, training: bool = False) -> PatchOutput:
        x = inputs
        for conv in self.convs:
            x = ops.leaky_relu(conv(x, training=training), NEGATIVE_SLOPE)
        cam_logits, weights = self.cam(x, training=training)
        x = ops.leaky_relu(self.attention_conv(x, weights), NEGATIVE_SLOPE)
        return PatchOutput(self.to_logits(x, training=training), cam_logits, ops.sum(x, axis=-1))

    def get_config(self) -> dict:
        return super().get_config() | {"ch": self.ch, "n_layers": self.n_layers, "spectral_norm": self.spectral_norm}


@keras.saving.register_keras_serializable("ugatit_tf")
class Discriminator(ImageModel):
    """Tells real images of a domain from translated ones, patch by patch.

    Args:
        ch: channels of the first convolution.
        n_dis: depth as the reference counts it, at least 4. The local network halves the sides `n_dis - 3` times, the
            global network `n_dis - 1` times.
        spectral_norm: whether kernels are divided by their spectral norm, except those of `conv_1x1`.

    Attributes:
        precision: dtype of the products in convolutions, "float32", "bfloat16" or "float16".

    Input: `[B, H, W, C]` in [-1, 1]. H and W are at least `3 * 2**(n_dis - 1)`, because the reflect padding of the last
    layers needs 3 px. Output: a `DiscriminatorOutput`.

    A call with `training=True` is for the discriminator's own update: it advances the power iteration of spectral norm,
    and may return no gradients by the images. A call with `frozen=True` is for the generator's update: it may return no
    gradients by the weights.

    Example:
        >>> import numpy as np
        >>> from ugatit_tf.networks.discriminator import Discriminator
        >>> discriminator = Discriminator(ch=4, n_dis=4)
        >>> output = discriminator(np.zeros((1, 32, 32, 3), "float32"))
        >>> tuple(output.local.logits.shape), tuple(output.global_.logits.shape)
        ((1, 16, 16, 1), (1, 4, 4, 1))
    """

    precision = "float32"

    def __init__(self, ch: int = 64, n_dis: int = 6, spectral_norm: bool = True, **kwargs: object) -> None:
        check_keras_settings()
        super().__init__(**kwargs)
        self.ch = ch
        self.n_dis = n_dis
        self.spectral_norm = spectral_norm
        self.local = PatchDiscriminator(ch, n_dis - 3, spectral_norm, name="local")
        self.global_ = PatchDiscriminator(ch, n_dis - 1, spectral_norm, name="global")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        self.local.build(input_shape)
        self.global_.build(input_shape)

    def call(self, inputs: KerasTensor, training: bool = False, frozen: bool = False) -> DiscriminatorOutput:
        with compute_dtype(self.precision):
            calls = [self.local, self.global_]
            # Penalties use neither flag and no shared graphs: they differentiate twice, and by one tensor at a time.
            if training or frozen:
                calls = [shared_call(network, by_inputs=not training, by_weights=not frozen) for network in calls]
            return DiscriminatorOutput(*(call(inputs, training=training) for call in calls))

    def export(self, filepath: str, *args: Any, **kwargs: Any) -> None:
        """Exports the network as `ImageModel.export` does; the six outputs follow one another in a flat tuple."""
        inputs = keras.Input(self._image_shape[1:], name="images")
        outputs = tuple(keras.tree.flatten(self(inputs)))
        keras.Model(inputs, outputs).export(filepath, *args, **kwargs)

    def get_config(self) -> dict:
        return super().get_config() | {"ch": self.ch, "n_dis": self.n_dis, "spectral_norm": self.spectral_norm}
