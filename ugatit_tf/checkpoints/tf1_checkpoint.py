"""Name-based checkpoints of the TensorFlow 1 reference: its names for our variables, and its count of steps."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from ugatit_tf.checkpoints.bundle import Bundle, Table
from ugatit_tf.checkpoints.folder import step_in_name
from ugatit_tf.errors import RunError

GENERATOR_POWERS = ("beta1_power", "beta2_power")
DISCRIMINATOR_POWERS = ("beta1_power_1", "beta2_power_1")
_BETAS = (0.5, 0.999)
_ALL_ZERO = 200_000  # by this exponent the powers of both have underflowed


def reference_names(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """The reference's name of every variable of a network.

    A variable's path is that name, except that the reference's plain convolutions and Dense layers hold their kernel
    and bias in a scope of their own, `conv2d` or `dense`; those with spectral norm, and CAM's, do not.

    Args:
        variables: of whole networks, so that it shows which layers have a `u`.
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
    """The reference's names of Adam's moments.

    Args:
        names: of the networks' variables.
        slots: each trained variable with its momentum and its velocity.
    """
    by_path = {variable.path: name for name, variable in names.items()}
    table = {}
    for variable, momentum, velocity in slots:
        table[f"{by_path[variable.path]}/Adam"] = momentum
        table[f"{by_path[variable.path]}/Adam_1"] = velocity
    return table


def load_weights(variables: Iterable[keras.Variable], prefix: str | Path) -> None:
    """Loads networks' weights from a checkpoint of the reference; what else it holds, such as Adam's slots, is left.

    Args:
        variables: of whole networks.
        prefix: the checkpoint's path without `.index`.

    Raises:
        RunError: as for `Bundle.matched`.
    """
    for variable, values in Bundle(Path(prefix)).matched(reference_names(variables)):
        variable.assign(values)


class Updates(NamedTuple):
    """How often the networks were updated.

    Attributes:
        discriminators: as often as there were steps.
        generators: less often where `n_critic` is more than 1.
        source: where this is known from.
    """

    discriminators: int
    generators: int
    source: str


def updates(bundle: Bundle, n_critic: int) -> Updates:
    """The updates that a checkpoint of the reference has seen.

    Its Adam keeps 0.5^(t + 1) after t updates, which underflows in a long run. Then there is the file's name: the
    reference counts from 1, so that its `model-N` has seen N - 1 steps; an older version of it counts from 0.

    Args:
        bundle: the checkpoint.
        n_critic: the discriminators' updates for one of the generators.

    Raises:
        RunError: where neither tells.
    """
    steps = _updates_in(bundle, DISCRIMINATOR_POWERS[0])
    source = f"from {DISCRIMINATOR_POWERS[0]}"
    if steps is None:
        number = step_in_name(bundle.prefix)
        if number is None:
            raise RunError(f"{bundle.prefix} does not tell its step: its name must end in -<step>.")
        reason = "has underflowed" if DISCRIMINATOR_POWERS[0] in bundle.shapes else "is missing"
        from_zero = _counts_from_zero(bundle, number)
        steps = number if from_zero else max(number - 1, 0)
        source = f"from the file's name, which counts from {0 if from_zero else 1}: {DISCRIMINATOR_POWERS[0]} {reason}"
    generators = _updates_in(bundle, GENERATOR_POWERS[0])
    return Updates(steps, -(-steps // n_critic) if generators is None else generators, source)


def beta_powers(count: int) -> tuple[np.float32, np.float32]:
    """Adam's `beta1_power` and `beta2_power` after `count` updates, to the last bit as TensorFlow 1 has them."""
    return tuple(_power(np.float32(beta), count + 1) for beta in _BETAS)


def _power(base: np.float32, exponent: int) -> np.float32:
    # TensorFlow 1 multiplies once an update, rounding each time, and takes what is too small for a normal number as 0.
    power = np.cumprod(np.full(min(exponent, _ALL_ZERO), base))[-1]
    return power if power >= np.finfo(np.float32).tiny else np.float32(0)


def _updates_in(bundle: Bundle, name: str) -> int | None:
    """The t of `name`'s 0.5^(t + 1), or None where it is missing or has underflowed."""
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
    """Whether `beta2_power_1`, which takes longer to underflow, is that of as many updates as the file's name says."""
    name = DISCRIMINATOR_POWERS[1]
    if name not in bundle.shapes:
        return False
    power = bundle.read(name).numpy()
    return bool(power > 0 and power == beta_powers(number)[1])
