"""The discriminator of a domain: two patch networks of different depth, each with CAM attention."""

from typing import NamedTuple

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.attention import CAM, AttentionConv2D
from ugatit_tf.networks.convolution import ReflectConv2D
from ugatit_tf.networks.image_model import ImageModel
from ugatit_tf.ops import check_keras_settings, compute_dtype, shared_call

NEGATIVE_SLOPE = 0.2


class PatchOutput(NamedTuple):
    """What a patch discriminator returns.

    Attributes:
        logits: `[B, h, w, 1]`, one for each patch; high where it looks real.
        cam_logits: `[B, 2]`, the auxiliary classifier's logits from the average and the max pool.
        heatmap: `[B, h, w]`, the channel sum of the attended features; not normalised.
    """

    logits: KerasTensor
    cam_logits: KerasTensor
    heatmap: KerasTensor


class DiscriminatorOutput(NamedTuple):
    """The outputs of a domain's two patch discriminators: `local` sees small patches, `global_` large ones."""

    local: PatchOutput
    global_: PatchOutput

    @property
    def all_logits(self) -> tuple[KerasTensor, ...]:
        """The four tensors that the adversarial loss and the penalties run over, in `LOGIT_NAMES`' order."""
        return (self.local.logits, self.local.cam_logits, self.global_.logits, self.global_.cam_logits)


LOGIT_NAMES = ("local", "local_cam", "global", "global_cam")


@keras.saving.register_keras_serializable("ugatit_tf")
class PatchDiscriminator(keras.Model):
    """One patch network.

    Args:
        ch: channels of the first convolution; each further one doubles them.
        n_layers: number of convolutions with stride 2.
        spectral_norm: normalise every kernel but that of `conv_1x1`.

    Input `[B, H, W, C]` in [-1, 1]; output a `PatchOutput` with h = H / 2**n_layers. With `training=True` the power
    iteration of spectral norm advances.
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
    """Tells real images of a domain from translations, patch by patch.

    Args:
        ch: channels of the first convolution.
        n_dis: the reference's depth, at least 4: the local network halves the side `n_dis - 3` times, the global
            one `n_dis - 1` times.
        spectral_norm: see `PatchDiscriminator`.

    Input `[B, H, W, C]` in [-1, 1], sides at least `3 * 2**(n_dis - 1)`, as the last layers' reflect padding needs
    3 px; output a `DiscriminatorOutput`. With `training=True`, which is for its own update, the power iteration of
    spectral norm advances, and nobody asks for gradients by the images; with `frozen=True`, nobody by the weights.

    Attributes:
        precision: the dtype that convolutions compute in, "float32", "bfloat16" or "float16".
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
            if training or frozen:  # not for penalties, which differentiate twice, and by one tensor at a time
                calls = [shared_call(network, by_inputs=not training, by_weights=not frozen) for network in calls]
            return DiscriminatorOutput(*(call(inputs, training=training) for call in calls))

    def get_config(self) -> dict:
        return super().get_config() | {"ch": self.ch, "n_dis": self.n_dis, "spectral_norm": self.spectral_norm}
