"""A run's networks, built from its configuration, and the generators' outputs for a step."""

from typing import NamedTuple

import tensorflow as tf
from keras import ops

from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator, Translation
from ugatit_tf.training import ema


def build_generator(config: Config, domain: str, *, average: bool = False) -> Generator:
    """Builds the generator that makes images of `domain`, "A" or "B", with initial weights.

    Args:
        config: configuration of the run.
        domain: the target domain.
        average: whether the generator is to hold averaged weights, which are not trainable.
    """
    name, shape = f"{ema.PREFIX if average else ''}generator_{domain}", _image_shape(config)
    names = ("ch", "n_res", "img_ch", "light", "smoothing", "cam_heads", "unbiased")
    generator = Generator(**{option: getattr(config, option) for option in names}, name=name)
    generator.trainable = not average
    generator.precision = config.precision
    generator.build(shape)
    return generator


def build_discriminator(config: Config, domain: str) -> Discriminator:
    """Builds the discriminator that judges images of `domain`, "A" or "B", with initial weights."""
    discriminator = Discriminator(config.ch, config.n_dis, config.sn, name=f"discriminator_{domain}")
    discriminator.precision = config.precision
    discriminator.build(_image_shape(config))
    return discriminator


class Translations(NamedTuple):
    """The generators' outputs for real images.

    Attributes:
        a_to_b: translations by generator_B of images of A.
        b_to_b: identity images by generator_B of images of B.
        b_to_a: translations by generator_A of images of B.
        a_to_a: identity images by generator_A of images of A.
    """

    a_to_b: Translation
    b_to_b: Translation
    b_to_a: Translation
    a_to_a: Translation


def _image_shape(config: Config) -> tuple[int | None, ...]:
    return (None, config.img_size, config.img_size, config.img_ch)


def translate_batches(generator: Generator, *batches: tf.Tensor) -> list[Translation]:
    """Calls a generator once with all batches `[B, H, W, C]`, and returns its outputs for each batch."""
    counts = [ops.shape(batch)[0] for batch in batches]
    outputs = generator(tf.concat(batches, 0))
    return [Translation(*parts) for parts in zip(*(tf.split(x, counts) for x in outputs), strict=True)]
