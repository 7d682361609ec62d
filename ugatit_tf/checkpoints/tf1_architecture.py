"""The configuration behind a checkpoint of the reference, told by its variables and the name of its folder."""

import dataclasses
import re
from typing import Any

from ugatit_tf.checkpoints import architecture
from ugatit_tf.checkpoints.architecture import listing
from ugatit_tf.checkpoints.bundle import Bundle
from ugatit_tf.config import GAN_TYPES, Config
from ugatit_tf.errors import RunError

_ALWAYS = {"cam_heads": 1, "unbiased": False}  # the networks of the reference
_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_FOLDER = re.compile(
    r"UGATIT(?:_light)?_(?P<dataset>.+)_(?P<gan_type>" + "|".join(GAN_TYPES) + r")_\d+resblock_(?P<n_dis>\d+)dis"
    rf"_(?P<n_critic>\d+)_(?P<adv_weight>{_NUMBER})_(?P<cycle_weight>{_NUMBER})"
    rf"_(?P<identity_weight>{_NUMBER})_(?P<cam_weight>{_NUMBER})(?P<sn>_sn)?(?P<smoothing>_smoothing)?"
)


def has_discriminators(bundle: Bundle) -> bool:
    """Whether a checkpoint holds discriminators too, and not generators alone."""
    return any(name.startswith("discriminator_") for name in bundle.shapes)


def read(bundle: Bundle, flags: Config) -> tuple[Config, str]:
    """The configuration of a reference's run, as far as its checkpoint tells.

    Args:
        bundle: the checkpoint.
        flags: for what it does not tell.

    Returns:
        The configuration, for training, and where it is from: one line.

    Raises:
        RunError: where the checkpoint is not of the reference, or flags other than the defaults contradict it.
        UsageError: where the values do not go together, such as a light network's depth and `--img_size`.
    """
    network = _of_variables(bundle)
    architecture.check_flags(bundle.prefix, flags, network | _ALWAYS)
    run = _of_folder(bundle.prefix.resolve().parent.name)
    config = dataclasses.replace(flags, **(run | network))
    config.validate()
    names = [field.name for field in dataclasses.fields(Config) if field.name in run and field.name not in network]
    source = "from the variables: " + listing(config, network)
    return config, source + (f"; from the folder's name: {listing(config, names)}" if names else "")


def check_is_possible(config: Config) -> None:
    """Refuses a network that the reference cannot have.

    Raises:
        RunError: naming the options.
    """
    others = [name for name, value in _ALWAYS.items() if getattr(config, name) != value]
    if others:
        raise RunError(f"The reference has no network such as this one, with {listing(config, others)}.")


def _of_variables(bundle: Bundle) -> dict[str, Any]:
    first = "generator_B/conv/conv2d/kernel"
    if bundle.object_based:
        raise RunError(
            f"{bundle.prefix} is not of the reference but of TensorFlow 2, as this program's own are; those need no "
            "--from_checkpoint."
        )
    if first not in bundle.shapes:
        raise RunError(f"{bundle.prefix} is another program's: a checkpoint of the reference has a variable {first}.")
    _, _, img_ch, ch = bundle.shape(first, rank=4)
    found = {"ch": ch, "img_ch": img_ch, "n_res": _count(bundle, r"generator_B/resblock_(\d+)/")}
    mlp = "generator_B/MLP/linear_0/dense/kernel"
    found |= architecture.of_mlp(bundle.prefix, mlp, bundle.shape(mlp, rank=2)[0], ch)
    if has_discriminators(bundle):
        found["n_dis"] = _count(bundle, r"discriminator_A/global/conv_(\d+)/") + 1
        found["sn"] = any(name.startswith("discriminator_") and name.endswith("/u") for name in bundle.shapes)
    return found


def _of_folder(name: str) -> dict[str, Any]:
    match = _FOLDER.fullmatch(name)
    if not match:
        return {}
    texts = match.groupdict()
    return {
        field.name: texts[field.name] is not None if field.type is bool else field.type(texts[field.name])
        for field in dataclasses.fields(Config)
        if field.name in texts
    }


def _count(bundle: Bundle, pattern: str) -> int:
    return len({match[1] for match in map(re.compile(pattern).match, bundle.shapes) if match})
