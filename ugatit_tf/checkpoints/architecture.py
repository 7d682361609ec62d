"""Compares the network in another program's checkpoint with the flags."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError


def check_flags(path: Path, flags: Config, network: Mapping[str, Any]) -> None:
    """Refuses flags that contradict the network. Defaults count as not given; `n_dis` never contradicts.

    Args:
        path: of the checkpoint.
        flags: as given.
        network: the options of its network.

    Raises:
        RunError: Some flags contradict; the message names each of them and both values.
    """
    contradictions = [
        f"--{name} is {given} but the checkpoint's network has {network[name]}"
        for name, (given, _) in flags.differences(Config()).items()
        if name in network and name != "n_dis" and given != network[name]
    ]
    if contradictions:
        raise RunError(f"{path}: {'; '.join(contradictions)}. Leave the flag away.")


def of_mlp(path: Path, name: str, features: int, ch: int) -> dict[str, Any]:
    """Returns `light`, and for a full network `img_size`, by the inputs of the generator's first Dense layer.

    In the light generator that layer gets 4 ch pooled features, in the full one 4 ch features at every position.

    Args:
        path: of the checkpoint.
        name: the name of that layer's kernel in the checkpoint.
        features: the layer's inputs.
        ch: of the network.

    Raises:
        RunError: No network has that many inputs.
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
