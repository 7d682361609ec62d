"""A checkpoint of znxlwm/UGATIT-pytorch: the configuration that it tells, and our generators' values."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf import depth
from ugatit_tf.checkpoints import architecture
from ugatit_tf.checkpoints.pytorch import names, reader
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.networks.generator import DOWNSAMPLING

_ALWAYS = {"smoothing": False, "cam_heads": 2, "unbiased": True}  # its generators
_STEP = re.compile(r"params_(\d+)")


class Source:
    """A checkpoint of the port's.

    Args:
        path: of the file.
        content: what it holds, as `reader.opened` gives it, and as long as that is open.

    Attributes:
        path: as given.

    Raises:
        RunError: where it is no checkpoint of the port's.
    """

    def __init__(self, path: Path, content: Any) -> None:
        self.path = path
        missing = [name for name in names.NETWORKS if not isinstance(content, dict) or name not in content]
        if missing:
            raise RunError(f"{path} is another program's: a checkpoint of UGATIT-pytorch has {missing[0]}.")
        unknown = [name for name in content if name not in (*names.NETWORKS, *names.OTHERS)]
        if unknown:
            raise self._misfit(f"{unknown[0]}, which is no network of UGATIT-pytorch's")
        self._networks = {name: content[name] for name in names.NETWORKS}
        for name, network in self._networks.items():
            if not isinstance(network, dict) or not all(hasattr(value, "numpy") for value in network.values()):
                raise self._misfit(f"something else than tensors in {name}")

    @property
    def step(self) -> int | None:
        """Completed steps, as the file's name tells them; None where it does not."""
        match = _STEP.fullmatch(self.path.stem)
        return int(match[1]) if match else None

    def read_config(self, flags: Config) -> tuple[Config, str]:
        """The configuration for testing and training on.

        Args:
            flags: for what the file does not tell; an `n_dis` that is too deep is lowered.

        Returns:
            The configuration, and what of it is from the file: one line.

        Raises:
            RunError: where a generator lacks a name or has one without a counterpart, naming it; and where flags other
                than the defaults contradict the networks.
        """
        ch, img_ch, _, _ = self._shape(names.FIRST, rank=4)
        _, features = self._shape(names.MLP, rank=2)
        n_res = sum(name.endswith(".conv1.weight") for name in self._networks["genA2B"])
        network = {"ch": ch, "img_ch": img_ch, "n_res": n_res}
        network |= architecture.of_mlp(self.path, names.MLP, features, ch) | _ALWAYS
        for name in names.NETWORKS:
            self._check_names(name, [theirs for theirs, _ in names.table(n_res)])
        architecture.check_flags(self.path, flags, network)
        config = dataclasses.replace(flags, **network)
        config = dataclasses.replace(config, n_dis=depth.lowered(config.n_dis, config.img_size))
        config.validate()
        return config, architecture.listing(config, network)

    def values(self, config: Config, variables: Iterable[keras.Variable]) -> dict[str, tf.Variable]:
        """The values of our generators' variables, by their paths.

        Args:
            config: by `read_config`.
            variables: of both generators, and nothing else.

        Raises:
            RunError: where something is of another shape or type, naming it, or damaged.
        """
        shapes = {variable.path: tuple(variable.shape) for variable in variables}
        rows, constants = names.table(config.n_res), names.constants(config.n_res)
        columns: dict[str, list[str]] = {}
        for theirs, ours in rows:
            columns.setdefault(ours, []).append(theirs)
        generators = names.NETWORKS.values()
        unmatched = shapes.keys() ^ {
            f"{generator}/{ours}" for generator in generators for ours in (*columns, *constants)
        }
        if unmatched:
            raise ValueError(f"the table has no row for {min(unmatched)}, or none that fits")
        values = {}
        for network, generator in names.NETWORKS.items():
            for ours, parts in columns.items():
                path = f"{generator}/{ours}"
                arrays = [self._read(network, name, config) for name in parts]
                array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)
                if array.shape != shapes[path]:
                    raise self._misfit(
                        f"{' and '.join(parts)} in {network} where {path} is to be {list(shapes[path])}, "
                        f"but with shape {list(array.shape)}"
                    )
                values[path] = tf.Variable(array)
            for ours, value in constants.items():
                path = f"{generator}/{ours}"
                values[path] = tf.Variable(np.full(shapes[path], value, np.float32))
        return values

    def _shape(self, name: str, rank: int) -> tuple[int, ...]:
        network = self._networks["genA2B"]
        if name not in network:
            raise self._misfit(f"no {name} in genA2B")
        shape = tuple(network[name].shape)
        if len(shape) != rank or 0 in shape:
            raise self._misfit(f"{name} in genA2B with shape {list(shape)}")
        return shape

    def _check_names(self, network: str, expected: list[str]) -> None:
        held = self._networks[network]
        for name in expected:
            if name not in held:
                raise self._misfit(f"no {name} in {network}")
        for name, tensor in held.items():
            if name not in expected:
                raise self._misfit(f"{name} in {network}, for which this program's generator has no place")
            if tuple(tensor.shape) != tuple(self._networks["genA2B"][name].shape):
                raise self._misfit(f"{name} with another shape in {network} than in genA2B")

    def _read(self, network: str, name: str, config: Config) -> np.ndarray:
        """A parameter's values, their axes in our order."""
        tensor = self._networks[network][name]
        if str(tensor.dtype).removeprefix("torch.") != "float32":
            raise self._misfit(f"{name} in {network} as {tensor.dtype}, not float32")
        array = reader.values(tensor, self.path)
        if not name.endswith(".weight"):
            return array.reshape(-1)  # [C], or [1, C, 1, 1]
        if name == names.MLP and not config.light:
            side = config.img_size // DOWNSAMPLING
            units, features = array.shape
            places = array.reshape(units, features // side**2, side, side)  # the port flattens [C, H, W]
            return places.transpose(2, 3, 1, 0).reshape(features, units)
        return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T

    def _misfit(self, what: str) -> RunError:
        return RunError(f"{self.path} does not fit: it has {what}.")
