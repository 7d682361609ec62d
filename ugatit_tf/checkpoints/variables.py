"""What a checkpoint of this program holds, by the names in it."""

from collections.abc import Collection

from ugatit_tf.training import ema
from ugatit_tf.training.gradients import LossScale


def has_discriminators(names: Collection[str]) -> bool:
    """Whether a checkpoint with these names in it holds more than generators."""
    return any(name.startswith("variables/discriminator_") for name in names)


def averages(names: Collection[str]) -> set[str]:
    """The names of the generators' moving averages among those in a checkpoint."""
    return {name for name in names if name.startswith(f"variables/{ema.PREFIX}")}


def loss_scales(names: Collection[str]) -> set[str]:
    """The names of float16's loss scales among those in a checkpoint; none where its run had another precision last."""
    return {name for name in names if any(f"_optimizer.S{own}/" in name for own in LossScale.NAMES)}
