"""The full objective of U-GAT-IT (section 2.2 of the paper), term by term, and the metrics of a training step."""

from collections.abc import Callable, Iterable

import keras
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import LOGIT_NAMES, Discriminator
from ugatit_tf.networks.generator import Translation
from ugatit_tf.training import diffaugment, losses, penalties

Metrics = dict[str, tf.Tensor]  # scalars by name

GENERATOR_METRICS = (
    *(
        f"generator_{domain}/{term}"
        for domain in "AB"
        for term in ("adversarial", "cycle", "identity", "cam", "total", "gradient_norm")
    ),
    "generator/l2",
    "g_loss",
    "rho/min",
    "rho/mean",
    "rho/max",
)

# Salts that give the augmentations in the two updates different random numbers; the penalties use salts 0 and 1.
_DISCRIMINATORS, _GENERATORS = 2, 3


class Objective:
    """Computes the losses of the discriminator and of the generator of one domain.

    Args:
        config: gives the weights of the terms, `gan_type` and `diffaugment`.
        uniform: makes a source of random numbers from a seed of shape `[2]`.
    """

    def __init__(
        self, config: Config, uniform: Callable[[tf.Tensor], penalties.Uniform] = penalties.seeded_uniform
    ) -> None:
        self._config = config
        self._gan_loss = losses.GAN_LOSSES[config.gan_type]
        self._uniform = uniform

    def of_discriminator(self, network: Discriminator, real: tf.Tensor, fake: tf.Tensor, *, seed: tf.Tensor) -> Metrics:
        """Computes the loss of a discriminator, and advances the power iteration of its spectral norm.

        Args:
            network: the discriminator of a domain.
            real: images of the domain, `[B, H, W, C]` in [-1, 1].
            fake: translations into the domain, `[B, H, W, C]` in [-1, 1], without a gradient to their generator.
            seed: seed of the penalty and the augmentation, integers `[2]`.

        Returns:
            The unweighted terms `local`, `local_cam`, `global`, `global_cam` and `penalty`, and the weighted `total`.
        """
        config = self._config
        pair = self._augmented(seed, _DISCRIMINATORS, real, fake)
        # The penalty comes first: both calls start from the same u, and the training call below stores a new one.
        penalty = self._penalty(network, *pair, seed)
        outputs = network(tf.concat(pair, 0), training=True).all_logits
        count = tf.shape(real)[0]
        adversarial = [self._gan_loss.discriminator(logits[:count], logits[count:]) for logits in outputs]
        total = config.adv_weight * (tf.add_n(adversarial) + config.GP_ld * penalty)
        return dict(zip((*LOGIT_NAMES, "penalty", "total"), (*adversarial, penalty, total), strict=True))

    def of_generator(
        self,
        discriminator: Discriminator,
        real: tf.Tensor,
        translation: Translation,
        identity: Translation,
        cycle: tuple[tf.Tensor, tf.Tensor],
        *,
        seed: tf.Tensor,
    ) -> Metrics:
        """Computes the loss of a generator against the discriminator of its target domain.

        Args:
            discriminator: the discriminator of the target domain.
            real: images of the target domain, `[B, H, W, C]` in [-1, 1].
            translation: the generator's outputs for images of the source domain.
            identity: the generator's outputs for `real`.
            cycle: images of the source domain and their reconstructions, `[B, H, W, C]` each.
            seed: seed of the augmentation, integers `[2]`.

        Returns:
            The unweighted terms `adversarial`, `cycle`, `identity` and `cam`, and the weighted `total`.
        """
        config = self._config
        terms = {
            "adversarial": (config.adv_weight, self._adversarial(discriminator, real, translation.image, seed)),
            "cycle": (config.cycle_weight, losses.l1(*cycle)),
            "identity": (config.identity_weight, losses.l1(real, identity.image)),
            "cam": (config.cam_weight, losses.cam(translation.cam_logits, identity.cam_logits)),
        }
        total = tf.add_n([weight * value for weight, value in terms.values()])
        return {name: value for name, (_, value) in terms.items()} | {"total": total}

    def _adversarial(self, network: Discriminator, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if self._gan_loss.relativistic:
            real, fake = self._augmented(seed, _GENERATORS, real, fake)
            real_logits = network(real, frozen=True).all_logits
        else:
            (fake,) = self._augmented(seed, _GENERATORS, fake)
            real_logits = (None,) * len(LOGIT_NAMES)
        pairs = zip(real_logits, network(fake, frozen=True).all_logits, strict=True)
        return tf.add_n([self._gan_loss.generator(*logits) for logits in pairs])

    def _penalty(self, network: Discriminator, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if self._gan_loss.penalty is None:
            return tf.zeros((), real.dtype)
        uniform = self._uniform(seed)
        return penalties.gradient_penalty(
            self._gan_loss.penalty, lambda images: network(images).all_logits, real, fake, uniform
        )

    def _augmented(self, seed: tf.Tensor, update: int, *images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Augments batches of images for a discriminator; image by image, all batches get equal random choices."""
        policies = self._config.diffaugment_policies
        if not policies:
            return images
        uniform = self._uniform(tf.random.experimental.stateless_fold_in(seed, update))
        return tuple(diffaugment.augment(batch, policies, uniform) for batch in images)


def rho_metrics(variables: Iterable[keras.Variable]) -> Metrics:
    """Computes the least, mean and greatest rho of AdaLIN and LIN among the variables."""
    values = tf.concat([variable.value for variable in variables if variable.name == "rho"], 0)
    return {
        "rho/min": tf.reduce_min(values),
        "rho/mean": tf.reduce_mean(values),
        "rho/max": tf.reduce_max(values),
    }
