"""The loss functions of U-GAT-IT (section 2.2 of the paper), each a scalar."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.training.penalties import DRAGAN, WGAN_GP, WGAN_LP, Penalty

L2_WEIGHT = 1e-4


class GanLoss(NamedTuple):
    """An adversarial loss (equation 2): all that a `gan_type` is.

    Its functions take one tensor of logits, of any shape; the objective sums over those of a discriminator.

    Attributes:
        discriminator: of logits for real and for fake images.
        generator: of logits for real and for fake images; those for real ones are None unless it is `relativistic`.
        penalty: on the discriminator's gradient, if any.
        chance: what `discriminator` gives where the logits do not tell real from fake at best; None for a critic,
            whose loss has no floor.
        relativistic: whether `generator` looks at the logits for real images, which costs another pass through the
            discriminators.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    generator: Callable[[tf.Tensor | None, tf.Tensor], tf.Tensor]
    penalty: Penalty | None = None
    chance: float | None = None
    relativistic: bool = False


def binary_cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    """Mean cross-entropy of logits against one label, 0 or 1."""
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


def l1(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference: the cycle loss (equation 3) and the identity loss (equation 4)."""
    return tf.reduce_mean(tf.abs(x - y))


def cam(source_logits: tf.Tensor, identity_logits: tf.Tensor) -> tf.Tensor:
    """The generator's CAM loss (equation 5): tell the source domain (1) from the target domain (0).

    Args:
        source_logits: `[B, 2]`, a generator's CAM logits on images of its source domain.
        identity_logits: `[B, 2]`, its CAM logits on images that are already in its target domain.
    """
    return binary_cross_entropy(source_logits, 1.0) + binary_cross_entropy(identity_logits, 0.0)


CAM_CHANCE = 2 * math.log(2)  # what `cam` gives where the logits do not tell the domains apart


def l2_regularization(variables: Iterable[keras.Variable]) -> tf.Tensor:
    """`1e-4 * sum(kernel**2) / 2` over every kernel among the variables."""
    return L2_WEIGHT * tf.add_n([tf.nn.l2_loss(v.value) for v in variables if is_regularized(v)])


def is_regularized(variable: keras.Variable) -> bool:
    """Whether L2 regularisation counts a variable: kernels, but neither biases nor parameters of norms."""
    return variable.name == "kernel"


_CROSS_ENTROPY = GanLoss(
    discriminator=lambda real, fake: binary_cross_entropy(real, 1.0) + binary_cross_entropy(fake, 0.0),
    generator=lambda real, fake: binary_cross_entropy(fake, 1.0),
    chance=2 * math.log(2),
)
_WASSERSTEIN = GanLoss(
    discriminator=lambda real, fake: tf.reduce_mean(fake) - tf.reduce_mean(real),
    generator=lambda real, fake: -tf.reduce_mean(fake),
)

GAN_LOSSES: dict[str, GanLoss] = {
    "gan": _CROSS_ENTROPY,
    "lsgan": GanLoss(
        discriminator=lambda real, fake: tf.reduce_mean(tf.square(real - 1.0)) + tf.reduce_mean(tf.square(fake)),
        generator=lambda real, fake: tf.reduce_mean(tf.square(fake - 1.0)),
        chance=0.5,
    ),
    "wgan-gp": _WASSERSTEIN._replace(penalty=WGAN_GP),
    "wgan-lp": _WASSERSTEIN._replace(penalty=WGAN_LP),
    "dragan": _CROSS_ENTROPY._replace(penalty=DRAGAN),
    "hinge": GanLoss(
        discriminator=lambda real, fake: (
            tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))
        ),
        generator=lambda real, fake: -tf.reduce_mean(fake),
        chance=2.0,
    ),
}


def gan_loss(gan_type: str) -> GanLoss:
    """Looks an adversarial loss up.

    Raises:
        ValueError: for an unknown type, listing the known ones.
    """
    if gan_type not in GAN_LOSSES:
        raise ValueError(f"Unknown gan_type {gan_type!r}; known: {', '.join(GAN_LOSSES)}.")
    return GAN_LOSSES[gan_type]
