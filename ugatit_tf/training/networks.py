"""The four networks of a run, made from its configuration."""

from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator
from ugatit_tf.training import ema


def build_generator(config: Config, domain: str, *, average: bool = False) -> Generator:
    """The generator that makes images of `domain`, "A" or "B", with initial weights; or one to hold its average."""
    name = f"{ema.PREFIX if average else ''}generator_{domain}"
    generator = Generator(config.ch, config.n_res, config.img_ch, config.light, config.smoothing, name=name)
    generator.trainable = not average
    generator.precision = config.precision
    generator.build(_image_shape(config))
    return generator


def build_discriminator(config: Config, domain: str) -> Discriminator:
    """The discriminator that judges images of `domain`, "A" or "B", with initial weights."""
    discriminator = Discriminator(config.ch, config.n_dis, config.sn, name=f"discriminator_{domain}")
    discriminator.precision = config.precision
    discriminator.build(_image_shape(config))
    return discriminator


def _image_shape(config: Config) -> tuple[int | None, ...]:
    return (None, config.img_size, config.img_size, config.img_ch)
