"""The loss functions of U-GAT-IT (section 2.2 of the paper). Each returns a scalar."""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.training.penalties import DRAGAN, WGAN_GP, WGAN_LP, Penalty

L2_WEIGHT = 1e-4


class GanLoss(NamedTuple):
    """An adversarial loss (equation 2); `GAN_LOSSES` has one for each `gan_type`.

    The two functions take logits of any shape for real and for fake images. A discriminator has four tensors of logits;
    the objective adds up their losses.

    Attributes:
        discriminator: the discriminator's loss, from the logits for real and for fake images.
        generator: the generator's loss, from the logits for real and for fake images. Unless `relativistic` is set, the
            logits for real images are None.
        penalty: gradient penalty on the discriminator; None without one.
        chance: smallest `discriminator` loss of logits that do not tell real from fake; None for a critic, whose loss
            has no lower bound.
        relativistic: whether `generator` needs the logits for real images, which takes another pass through the
            discriminators.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    generator: Callable[[tf.Tensor | None, tf.Tensor], tf.Tensor]
    penalty: Penalty | None = None
    chance: float | None = None
    relativistic: bool = False


def binary_cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    """Computes the mean cross-entropy of logits with one label, 0 or 1."""
    labels = tf.fill(tf.shape(logits), tf.cast(label, logits.dtype))
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits))


def l1(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Computes the mean absolute difference, used as cycle loss (equation 3) and identity loss (equation 4)."""
    return tf.reduce_mean(tf.abs(x - y))


def cam(source_logits: tf.Tensor, identity_logits: tf.Tensor) -> tf.Tensor:
    """Computes the generator's CAM loss (equation 5): its classifier tells source (1) and target domain (0) apart.

    Args:
        source_logits: `[B, 2]`, the generator's CAM logits for images of its source domain.
        identity_logits: `[B, 2]`, the generator's CAM logits for images of its target domain.
    """
    return binary_cross_entropy(source_logits, 1.0) + binary_cross_entropy(identity_logits, 0.0)


CAM_CHANCE = 2 * math.log(2)  # smallest `cam` loss of logits that do not tell the domains apart


def l2_regularization(variables: Iterable[keras.Variable]) -> tf.Tensor:
    """Computes `1e-4 * sum(kernel**2) / 2` over all kernels among the variables."""
    return L2_WEIGHT * tf.add_n([tf.nn.l2_loss(v.value) for v in variables if is_regularized(v)])


def is_regularized(variable: keras.Variable) -> bool:
    """Returns whether L2 regularization applies: to kernels, but neither to biases nor to parameters of norms."""
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
