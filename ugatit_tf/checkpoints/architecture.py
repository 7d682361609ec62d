"""What another program's checkpoint tells of its network, compared with what flags say."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError


def check_flags(path: Path, flags: Config, network: Mapping[str, Any]) -> None:
    """Refuses flags that contradict the network; a default counts as not given, and `n_dis` is lowered by itself.

    Args:
        path: of the checkpoint.
        flags: as they were given.
        network: options of its network.

    Raises:
        RunError: naming each such flag and both values.
    """
    contradictions = [
        f"--{name} is {given} but the checkpoint's network has {network[name]}"
        for name, (given, _) in flags.differences(Config()).items()
        if name in network and name != "n_dis" and given != network[name]
    ]
    if contradictions:
        raise RunError(f"{path}: {'; '.join(contradictions)}. Leave the flag away.")


def of_mlp(path: Path, name: str, features: int, ch: int) -> dict[str, Any]:
    """Whether a network is light, and, where it is full, its image size.

    The light generator's first Dense layer sees 4 ch pooled features, the full one's those of every place.

    Args:
        path: of the checkpoint.
        name: of that layer's kernel in it.
        features: inputs of that layer.
        ch: of the network.

    Raises:
        RunError: where no network has so many.
    """
    side = math.isqrt(features // (4 * ch))
    if side < 1 or features != side**2 * 4 * ch:
        raise RunError(
            f"{path} has {name} with {features} inputs: a network of ch {ch} has {4 * ch} (light), or that times a "
            "square (full)."
        )
    return {"light": True} if side == 1 else {"light": False, "img_size": 4 * side}


def listing(config: Config, names: Iterable[str]) -> str:
    """Options and their values as text."""
    return ", ".join(f"{name} {getattr(config, name)}" for name in names)
