"""The networks of a run: building them from its configuration, and the generators' outputs that a step needs."""

from typing import NamedTuple

import tensorflow as tf
from keras import ops

from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator, Translation
from ugatit_tf.training import ema


def build_generator(config: Config, domain: str, *, average: bool = False) -> Generator:
    """The generator that makes images of `domain`, "A" or "B", with initial weights; or one to hold its average."""
    name, shape = f"{ema.PREFIX if average else ''}generator_{domain}", _image_shape(config)
    names = ("ch", "n_res", "img_ch", "light", "smoothing", "cam_heads", "unbiased")
    generator = Generator(**{option: getattr(config, option) for option in names}, name=name)
    generator.trainable = not average
    generator.precision = config.precision
    generator.build(shape)
    return generator


def build_discriminator(config: Config, domain: str) -> Discriminator:
    """The discriminator that judges images of `domain`, "A" or "B", with initial weights."""
    discriminator = Discriminator(config.ch, config.n_dis, config.sn, name=f"discriminator_{domain}")
    discriminator.precision = config.precision
    discriminator.build(_image_shape(config))
    return discriminator


class Translations(NamedTuple):
    """Each generator's outputs for real images: one call makes the translation and the identity image.

    Attributes:
        a_to_b: generator_B on A.
        b_to_b: generator_B on B.
        b_to_a: generator_A on B.
        a_to_a: generator_A on A.
    """

    a_to_b: Translation
    b_to_b: Translation
    b_to_a: Translation
    a_to_a: Translation


def translate(generator_a: Generator, generator_b: Generator, real_a: tf.Tensor, real_b: tf.Tensor) -> Translations:
    """Runs each generator once, on the images of both domains, `[B, H, W, C]` in [-1, 1] each."""
    a_to_b, b_to_b = _of_both(generator_b, real_a, real_b)
    b_to_a, a_to_a = _of_both(generator_a, real_b, real_a)
    return Translations(a_to_b, b_to_b, b_to_a, a_to_a)


def _image_shape(config: Config) -> tuple[int | None, ...]:
    return (None, config.img_size, config.img_size, config.img_ch)


def _of_both(generator: Generator, *batches: tf.Tensor) -> list[Translation]:
    """What a generator makes of each of some batches, by one call."""
    counts = [ops.shape(batch)[0] for batch in batches]
    outputs = generator(tf.concat(batches, 0))
    return [Translation(*parts) for parts in zip(*(tf.split(x, counts) for x in outputs), strict=True)]
