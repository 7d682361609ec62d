"""The full objective of U-GAT-IT (section 2.2 of the paper), term by term, for one domain's networks at a time."""

from collections.abc import Callable

import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import LOGIT_NAMES, Discriminator
from ugatit_tf.networks.generator import Translation
from ugatit_tf.training import diffaugment, losses, penalties

Terms = dict[str, tf.Tensor]

# Whose update an augmentation is for; 0 and 1 are the penalties' salts.
_DISCRIMINATORS, _GENERATORS = 2, 3


class Objective:
    """The loss of a discriminator, and that of a generator.

    Args:
        config: the weights of the terms, `gan_type` and `diffaugment`.
        uniform: makes the source of randomness out of a seed of shape [2].
    """

    def __init__(
        self, config: Config, uniform: Callable[[tf.Tensor], penalties.Uniform] = penalties.seeded_uniform
    ) -> None:
        self._config = config
        self._gan_loss = losses.gan_loss(config.gan_type)
        self._uniform = uniform

    def of_discriminator(self, network: Discriminator, real: tf.Tensor, fake: tf.Tensor, *, seed: tf.Tensor) -> Terms:
        """What a discriminator is to minimise; advances the power iteration of spectral norm.

        Args:
            network: of a domain.
            real: images of the domain, `[B, H, W, C]` in [-1, 1].
            fake: translations into the domain, likewise, cut off from their generator.
            seed: of what is random, integers `[2]`.

        Returns:
            The unweighted terms `local`, `local_cam`, `global`, `global_cam` and `penalty`, and the weighted `total`.
        """
        config = self._config
        pair = self._augmented(seed, _DISCRIMINATORS, real, fake)
        # The penalty comes first: the training call below stores the u that both start from.
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
    ) -> Terms:
        """What a generator is to minimise, against its domain's discriminator.

        Args:
            discriminator: of the domain that the generator translates into.
            real: images of that domain, `[B, H, W, C]` in [-1, 1].
            translation: the generator's output on images of the other domain.
            identity: its output on `real`.
            cycle: those images of the other domain, and what they become when their translation is translated back.
            seed: of what is random, integers `[2]`.

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
            of_real = network(real, frozen=True).all_logits
        else:
            (fake,) = self._augmented(seed, _GENERATORS, fake)
            of_real = (None,) * len(LOGIT_NAMES)
        pairs = zip(of_real, network(fake, frozen=True).all_logits, strict=True)
        return tf.add_n([self._gan_loss.generator(*logits) for logits in pairs])

    def _penalty(self, network: Discriminator, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        if self._gan_loss.penalty is None:
            return tf.zeros((), real.dtype)
        uniform = self._uniform(seed)
        return penalties.gradient_penalty(
            self._gan_loss.penalty, lambda images: network(images).all_logits, real, fake, uniform
        )

    def _augmented(self, seed: tf.Tensor, update: int, *images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """What a discriminator sees of batches of images, which get the same random choices."""
        policies = self._config.diffaugment_policies
        if not policies:
            return images
        uniform = self._uniform(tf.random.experimental.stateless_fold_in(seed, update))
        return tuple(diffaugment.augment(batch, policies, uniform) for batch in images)
