"""The generator: encoder, CAM attention, and a decoder with AdaLIN (section 2.1.1 and figure 2 of the paper)."""

from typing import NamedTuple

import keras
from keras import KerasTensor, ops

from ugatit_tf.networks.affine_mlp import AffineMLP
from ugatit_tf.networks.attention import CAM, AttentionConv2D
from ugatit_tf.networks.convolution import ReflectConv2D, UpsampleConv2D
from ugatit_tf.networks.image_model import ImageModel
from ugatit_tf.networks.normalization import LIN, InstanceNorm
from ugatit_tf.networks.residual import ResidualBlock
from ugatit_tf.ops import check_keras_settings, compute_dtype, recomputed, shared_call

DOWNSAMPLING = 4  # side of the image divided by side of the features


class Translation(NamedTuple):
    """The outputs of a generator.

    Attributes:
        image: `[B, H, W, img_ch]` in [-1, 1], the translated image.
        cam_logits: `[B, 2]`, the auxiliary classifier's logits from the average and the max pool.
        heatmap: `[B, H/4, W/4]`, the channel sum of the attended features, not normalized.
    """

    image: KerasTensor
    cam_logits: KerasTensor
    heatmap: KerasTensor


@keras.saving.register_keras_serializable("ugatit_tf")
class Generator(ImageModel):
    """Translates images into the other domain.

    Args:
        ch: channels of the first convolution; the features have 4 * ch channels.
        n_res: number of residual blocks in the encoder, and of adaptive residual blocks in the decoder; at least 1.
        img_ch: channels of the images.
        light: whether to build the light variant, which takes any H and W divisible by 4. The full variant is built for
            one image size.
        smoothing: whether AdaLIN lowers rho by 0.1; see `AdaLIN`.
        cam_heads: 1 if both pools share the CAM's Dense unit, 2 if each has its own; see `CAM`.
        unbiased: whether AdaLIN and LIN use unbiased variances.

    Attributes:
        precision: dtype of the products in convolutions, "float32", "bfloat16" or "float16".
        recompute: whether residual blocks are computed again for the gradients instead of keeping their features.

    Input: `[B, H, W, img_ch]` in [-1, 1]. Output: a `Translation`.

    Example:
        >>> import numpy as np
        >>> from ugatit_tf.networks.generator import Generator
        >>> generator = Generator(ch=4, n_res=1, light=True)
        >>> image, cam_logits, heatmap = generator(np.zeros((1, 32, 32, 3), "float32"))
        >>> tuple(image.shape), tuple(cam_logits.shape), tuple(heatmap.shape)
        ((1, 32, 32, 3), (1, 2), (1, 8, 8))
    """

    precision = "float32"
    recompute = False

    def __init__(
        self,
        ch: int = 64,
        n_res: int = 4,
        img_ch: int = 3,
        light: bool = False,
        smoothing: bool = True,
        *,
        cam_heads: int = 1,
        unbiased: bool = False,
        **kwargs: object,
    ) -> None:
        check_keras_settings()
        super().__init__(**kwargs)
        self.ch = ch
        self.n_res = n_res
        self.img_ch = img_ch
        self.light = light
        self.smoothing = smoothing
        self.cam_heads = cam_heads
        self.unbiased = unbiased

        features = DOWNSAMPLING * ch
        self.encoder = (
            (ReflectConv2D(ch, 7, padding=3, name="conv"), InstanceNorm(name="ins_norm")),
            (ReflectConv2D(2 * ch, 3, strides=2, padding=1, name="conv_0"), InstanceNorm(name="ins_norm_0")),
            (ReflectConv2D(features, 3, strides=2, padding=1, name="conv_1"), InstanceNorm(name="ins_norm_1")),
        )
        self.bottleneck = tuple(ResidualBlock(features, name=f"resblock_{i}") for i in range(n_res))
        self.cam = CAM(cam_heads, name="CAM_logit")
        self.attention_conv = AttentionConv2D(features, name="conv_1x1")
        self.mlp = AffineMLP(features, light, name="MLP")
        self.adaptive_blocks = tuple(
            ResidualBlock(features, adaptive=True, smoothing=smoothing, unbiased=unbiased, name=f"adaptive_resblock{i}")
            for i in range(n_res)
        )
        self.decoder = tuple(
            (UpsampleConv2D(filters, name=f"up_conv_{i}"), LIN(unbiased, name=f"layer_ins_norm_{i}"))
            for i, filters in enumerate((2 * ch, ch))
        )
        self.to_image = ReflectConv2D(img_ch, 7, padding=3, name="G_logit")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        shape = tuple(input_shape)
        for conv, norm in self.encoder:
            shape = _build_conv_norm(conv, norm, shape)
        for block in self.bottleneck:
            block.build(shape)
        self.cam.build(shape)
        self.attention_conv.build(shape)
        self.mlp.build(shape)
        for block in self.adaptive_blocks:
            block.build(shape)
        for conv, norm in self.decoder:
            shape = _build_conv_norm(conv, norm, shape)
        self.to_image.build(shape)

    def call(self, inputs: KerasTensor) -> Translation:
        with compute_dtype(self.precision):
            return self._translate(inputs)

    def _translate(self, x: KerasTensor) -> Translation:
        for conv, norm in self.encoder:
            x = ops.relu(norm(conv(x)))
        for block in self.bottleneck:
            x = self._run(block, x)

        cam_logits, weights = self.cam(x)
        x = ops.relu(self.attention_conv(x, weights))
        heatmap = ops.sum(x, axis=-1)

        gamma, beta = self.mlp(x)
        for block in self.adaptive_blocks:
            x = self._run(block, x, gamma, beta)
        for conv, norm in self.decoder:
            x = ops.relu(norm(conv(x)))
        return Translation(ops.tanh(self.to_image(x)), cam_logits, heatmap)

    def _run(self, block: ResidualBlock, *inputs: KerasTensor) -> KerasTensor:
        return (recomputed if self.recompute else shared_call)(block)(*inputs)

    def get_config(self) -> dict:
        return super().get_config() | {
            "ch": self.ch,
            "n_res": self.n_res,
            "img_ch": self.img_ch,
            "light": self.light,
            "smoothing": self.smoothing,
            "cam_heads": self.cam_heads,
            "unbiased": self.unbiased,
        }


def _build_conv_norm(
    conv: keras.layers.Layer, norm: keras.layers.Layer, input_shape: tuple[int | None, ...]
) -> tuple[int | None, ...]:
    conv.build(input_shape)
    output_shape = conv.compute_output_shape(input_shape)
    norm.build(output_shape)
    return output_shape
