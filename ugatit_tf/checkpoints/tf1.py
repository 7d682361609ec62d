"""Reads checkpoints of the TensorFlow 1 reference: their configuration, variable names and step count."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np

from ugatit_tf.checkpoints import architecture
from ugatit_tf.checkpoints.architecture import listing
from ugatit_tf.checkpoints.bundle import Bundle, Table
from ugatit_tf.checkpoints.folder import step_in_name
from ugatit_tf.config import GAN_TYPES, Config
from ugatit_tf.errors import RunError

_ALWAYS = {"cam_heads": 1, "unbiased": False}  # every network of the reference has these options
_NUMBER = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_FOLDER = re.compile(
    r"UGATIT(?:_light)?_(?P<dataset>.+)_(?P<gan_type>" + "|".join(GAN_TYPES) + r")_\d+resblock_(?P<n_dis>\d+)dis"
    rf"_(?P<n_critic>\d+)_(?P<adv_weight>{_NUMBER})_(?P<cycle_weight>{_NUMBER})"
    rf"_(?P<identity_weight>{_NUMBER})_(?P<cam_weight>{_NUMBER})(?P<sn>_sn)?(?P<smoothing>_smoothing)?"
)


def has_discriminators(bundle: Bundle) -> bool:
    """Whether a checkpoint of the reference holds more than generators."""
    return any(name.startswith("discriminator_") for name in bundle.shapes)


def read_config(bundle: Bundle, flags: Config) -> tuple[Config, str]:
    """Reads the configuration of a run of the reference from the shapes of its variables and its folder's name.

    Args:
        bundle: the checkpoint.
        flags: the options that the checkpoint does not show.

    Returns:
        The configuration for training, and one line that says where its options come from.

    Raises:
        RunError: The checkpoint is not of the reference, or a flag other than its default contradicts it.
        UsageError: The options do not go together, such as a light network's depth and `--img_size`.
    """
    network = _network_in_variables(bundle)
    architecture.check_flags(bundle.prefix, flags, network | _ALWAYS)
    run = _options_in_folder_name(bundle.prefix.resolve().parent.name)
    config = dataclasses.replace(flags, **(run | network))
    config.validate()
    names = [field.name for field in dataclasses.fields(Config) if field.name in run and field.name not in network]
    source = "from the variables: " + listing(config, network)
    return config, source + (f"; from the folder's name: {listing(config, names)}" if names else "")


def check_is_possible(config: Config) -> None:
    """Refuses a network that the reference does not have.

    Raises:
        RunError: The message names the options that differ.
    """
    others = [name for name, value in _ALWAYS.items() if getattr(config, name) != value]
    if others:
        raise RunError(f"The reference has no network with {listing(config, others)}.")


def _network_in_variables(bundle: Bundle) -> dict[str, Any]:
    first = "generator_B/conv/conv2d/kernel"
    if bundle.object_based:
        raise RunError(
            f"{bundle.prefix} is a checkpoint of TensorFlow 2, not of the reference. This program reads its own "
            "checkpoints without --from_checkpoint."
        )
    if first not in bundle.shapes:
        raise RunError(f"{bundle.prefix} is another program's: it lacks the reference's variable {first}.")
    _, _, img_ch, ch = bundle.shape(first, rank=4)
    found = {"ch": ch, "img_ch": img_ch, "n_res": _count(bundle, r"generator_B/resblock_(\d+)/")}
    mlp = "generator_B/MLP/linear_0/dense/kernel"
    found |= architecture.options_of_mlp(bundle.prefix, mlp, bundle.shape(mlp, rank=2)[0], ch)
    if has_discriminators(bundle):
        found["n_dis"] = _count(bundle, r"discriminator_A/global/conv_(\d+)/") + 1
        found["sn"] = any(name.startswith("discriminator_") and name.endswith("/u") for name in bundle.shapes)
    return found


def _options_in_folder_name(name: str) -> dict[str, Any]:
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


GENERATOR_POWERS = ("beta1_power", "beta2_power")
DISCRIMINATOR_POWERS = ("beta1_power_1", "beta2_power_1")
_BETAS = (0.5, 0.999)
_ALL_ZERO = 200_000  # by this exponent the powers of both have underflowed


def reference_names(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Returns variables by their names in the reference.

    The names equal our paths, with one exception: the reference's convolutions and Dense layers keep kernel and bias in
    a scope `conv2d` or `dense`, unless they have spectral norm or belong to CAM.

    Args:
        variables: all variables of the networks: a layer's `u` shows that it has spectral norm.
    """
    by_path = {variable.path: variable for variable in variables}
    names = {}
    for path, variable in by_path.items():
        layer, _, name = path.rpartition("/")
        plain = f"{layer}/u" not in by_path and not layer.endswith("/CAM_logit")
        if name in ("kernel", "bias") and plain:
            scope = "dense" if "/MLP/" in layer else "conv2d"
            path = f"{layer}/{scope}/{name}"  # noqa: PLW2901
        names[path] = variable
    return names


def slot_names(
    names: Table, slots: Iterable[tuple[keras.Variable, keras.Variable, keras.Variable]]
) -> dict[str, keras.Variable]:
    """Returns Adam's moments by their names in the reference.

    Args:
        names: the networks' variables by their names in the reference.
        slots: each trained variable with its momentum and its velocity.
    """
    by_path = {variable.path: name for name, variable in names.items()}
    table = {}
    for variable, momentum, velocity in slots:
        table[f"{by_path[variable.path]}/Adam"] = momentum
        table[f"{by_path[variable.path]}/Adam_1"] = velocity
    return table


class Updates(NamedTuple):
    """The numbers of updates that the networks have seen."""

    discriminators: int  # the updates of the discriminators, one for each step
    generators: int  # the updates of the generators, fewer if `n_critic` is more than 1
    source: str  # a text that names the part of the checkpoint with these numbers


def updates(bundle: Bundle, n_critic: int) -> Updates:
    """Returns the number of updates that a checkpoint of the reference has seen.

    The reference's Adam stores 0.5^(t + 1) after t updates. In a long run this underflows; then the file's name shows
    the number. The reference counts from 1, so its `model-N` has seen N - 1 steps; an older version counts from 0.

    Args:
        bundle: the checkpoint.
        n_critic: the discriminators' updates for each update of the generators.

    Raises:
        RunError: Neither Adam nor the name shows the number.
    """
    steps = _updates_in(bundle, DISCRIMINATOR_POWERS[0])
    source = f"from {DISCRIMINATOR_POWERS[0]}"
    if steps is None:
        number = step_in_name(bundle.prefix)
        if number is None:
            raise RunError(f"{bundle.prefix} does not show its step: its name must end in -<step>.")
        reason = "has underflowed" if DISCRIMINATOR_POWERS[0] in bundle.shapes else "is missing"
        from_zero = _counts_from_zero(bundle, number)
        steps = number if from_zero else max(number - 1, 0)
        source = f"from the file's name, which counts from {0 if from_zero else 1}: {DISCRIMINATOR_POWERS[0]} {reason}"
    generators = _updates_in(bundle, GENERATOR_POWERS[0])
    return Updates(steps, -(-steps // n_critic) if generators is None else generators, source)


def beta_powers(count: int) -> tuple[np.float32, np.float32]:
    """Returns Adam's `beta1_power` and `beta2_power` after `count` updates, equal to TensorFlow 1's in every bit."""
    return tuple(_power(np.float32(beta), count + 1) for beta in _BETAS)


def _power(base: np.float32, exponent: int) -> np.float32:
    # TensorFlow 1 multiplies and rounds once an update, and flushes denormal numbers to 0.
    power = np.cumprod(np.full(min(exponent, _ALL_ZERO), base))[-1]
    return power if power >= np.finfo(np.float32).tiny else np.float32(0)


def _updates_in(bundle: Bundle, name: str) -> int | None:
    """Returns the t of `name`'s 0.5^(t + 1); None if the variable is missing or has underflowed."""
    if name not in bundle.shapes:
        return None
    bundle.shape(name, rank=0)
    power = float(bundle.read(name))
    if power == 0:
        return None
    exponent = round(-np.log2(power)) if 0 < power < 1 else 0
    if exponent < 1 or power != _BETAS[0] ** exponent:
        raise RunError(f"{bundle.prefix} has {name} {power}: no power of {_BETAS[0]}, the reference's beta1.")
    return exponent - 1


def _counts_from_zero(bundle: Bundle, number: int) -> bool:
    """Whether `beta2_power_1`, which underflows later, is the power after as many updates as the file's name says."""
    name = DISCRIMINATOR_POWERS[1]
    if name not in bundle.shapes:
        return False
    power = bundle.read(name).numpy()
    return bool(power > 0 and power == beta_powers(number)[1])
