"""Compares the network in another program's checkpoint with the flags."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError


def check_flags(path: Path, flags: Config, network: Mapping[str, Any]) -> None:
    """Refuses flags that contradict the network. A flag with its default value and `n_dis` never contradict.

    Args:
        path: the path of the checkpoint.
        flags: the configuration by the flags.
        network: the options of the checkpoint's network.

    Raises:
        RunError: Flags contradict; the message names each of them and both values.
    """
    contradictions = [
        f"--{name} is {given} but the checkpoint's network has {network[name]}"
        for name, (given, _) in flags.differences(Config()).items()
        if name in network and name != "n_dis" and given != network[name]
    ]
    if contradictions:
        raise RunError(f"{path}: {'; '.join(contradictions)}. Leave the flag away.")


def options_of_mlp(path: Path, name: str, features: int, ch: int) -> dict[str, Any]:
    """Returns the options that the number of inputs of the generator's first Dense layer shows: `light`, `img_size`.

    In the light generator the layer receives 4 ch pooled features, in the full one 4 ch features at every position.

    Args:
        path: the path of the checkpoint.
        name: the name of the layer's kernel in the checkpoint.
        features: the number of inputs.
        ch: the network's `ch`.

    Raises:
        RunError: No network has this number of inputs.
    """
    side = math.isqrt(features // (4 * ch))
    if side < 1 or features != side**2 * 4 * ch:
        raise RunError(
            f"{path} has {name} with {features} inputs: a network of ch {ch} has {4 * ch} (light), or that times a "
            "square (full)."
        )
    return {"light": True} if side == 1 else {"light": False, "img_size": 4 * side}


def listing(config: Config, names: Iterable[str]) -> str:
    """Returns options and their values as text."""
    return ", ".join(f"{name} {getattr(config, name)}" for name in names)
