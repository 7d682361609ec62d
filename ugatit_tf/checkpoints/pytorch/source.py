"""Reads a configuration and our generators' values from a checkpoint of znxlwm/UGATIT-pytorch."""

import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf.checkpoints import architecture
from ugatit_tf.checkpoints.pytorch import reader
from ugatit_tf.config import Config, lowered_n_dis
from ugatit_tf.errors import RunError
from ugatit_tf.networks.generator import DOWNSAMPLING

# The port names a generator after its direction, we name it after its result.
_NETWORKS = {"genA2B": "generator_B", "genB2A": "generator_A"}
_OTHERS = ("disGA", "disGB", "disLA", "disLB")
_FIRST, _MLP = "DownBlock.1.weight", "FC.0.weight"
_ALWAYS = {"smoothing": False, "cam_heads": 2, "unbiased": True}  # all generators of the port have these options
_STEP = re.compile(r"params_(\d+)")


class Source:
    """A checkpoint of the port.

    Args:
        path: of the file.
        content: its content, from a `reader.opened` that is still open.

    Raises:
        RunError: The file is no checkpoint of the port.
    """

    def __init__(self, path: Path, content: Any) -> None:
        self.path = path
        missing = [name for name in _NETWORKS if not isinstance(content, dict) or name not in content]
        if missing:
            raise RunError(f"{path} is another program's: it lacks UGATIT-pytorch's network {missing[0]}.")
        unknown = [name for name in content if name not in (*_NETWORKS, *_OTHERS)]
        if unknown:
            raise self._misfit(f"{unknown[0]}, which is no network of UGATIT-pytorch's")
        self._networks = {name: content[name] for name in _NETWORKS}
        for name, network in self._networks.items():
            if not isinstance(network, dict) or not all(hasattr(value, "numpy") for value in network.values()):
                raise self._misfit(f"something else than tensors in {name}")

    @property
    def step(self) -> int | None:
        """Completed steps by the file's name; None if the name has no number."""
        match = _STEP.fullmatch(self.path.stem)
        return int(match[1]) if match else None

    def read_config(self, flags: Config) -> tuple[Config, str]:
        """Reads the configuration for testing and resuming.

        Args:
            flags: the configuration by the flags, for options that the file does not show. An `n_dis` that is too large
                for the images is lowered.

        Returns:
            The configuration, and one line that lists the options read from the file.

        Raises:
            RunError: A generator lacks a parameter or has an unknown one, and the message names it; or a flag
                contradicts the networks.
        """
        ch, img_ch, _, _ = self._shape(_FIRST, rank=4)
        _, features = self._shape(_MLP, rank=2)
        n_res = sum(name.endswith(".conv1.weight") for name in self._networks["genA2B"])
        network = {"ch": ch, "img_ch": img_ch, "n_res": n_res}
        network |= architecture.options_of_mlp(self.path, _MLP, features, ch) | _ALWAYS
        for name in _NETWORKS:
            self._check_names(name, [theirs for theirs, _ in _table(n_res)])
        architecture.check_flags(self.path, flags, network)
        config = dataclasses.replace(flags, **network)
        config = dataclasses.replace(config, n_dis=lowered_n_dis(config.n_dis, config.img_size))
        config.validate()
        return config, architecture.listing(config, network)

    def values(self, config: Config, variables: Iterable[keras.Variable]) -> dict[str, tf.Variable]:
        """Reads the values of our generators' variables, by their paths.

        Args:
            config: from `read_config`.
            variables: all variables of both generators, and no others.

        Raises:
            RunError: A parameter has another shape or dtype, and the message names it; or the file is damaged.
        """
        shapes = {variable.path: tuple(variable.shape) for variable in variables}
        rows, constants = _table(config.n_res), _constants(config.n_res)
        columns: dict[str, list[str]] = {}
        for theirs, ours in rows:
            columns.setdefault(ours, []).append(theirs)
        generators = _NETWORKS.values()
        unmatched = shapes.keys() ^ {
            f"{generator}/{ours}" for generator in generators for ours in (*columns, *constants)
        }
        if unmatched:
            raise ValueError(f"the table has no fitting row for {min(unmatched)}")
        values = {}
        for network, generator in _NETWORKS.items():
            for ours, parts in columns.items():
                path = f"{generator}/{ours}"
                arrays = [self._read(network, name, config) for name in parts]
                array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)
                if array.shape != shapes[path]:
                    raise self._misfit(
                        f"{' and '.join(parts)} in {network} with shape {list(array.shape)} for {path}, which has "
                        f"shape {list(shapes[path])}"
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
                raise self._misfit(f"{name} in {network}, which this program's generator lacks")
            if tuple(tensor.shape) != tuple(self._networks["genA2B"][name].shape):
                raise self._misfit(f"{name} with another shape in {network} than in genA2B")

    def _read(self, network: str, name: str, config: Config) -> np.ndarray:
        """Returns a parameter's values with their axes in our order."""
        tensor = self._networks[network][name]
        if str(tensor.dtype).removeprefix("torch.") != "float32":
            raise self._misfit(f"{name} in {network} as {tensor.dtype}, not float32")
        array = reader.values(tensor, self.path)
        if not name.endswith(".weight"):
            return array.reshape(-1)  # [C], or [1, C, 1, 1]
        if name == _MLP and not config.light:
            side = config.img_size // DOWNSAMPLING
            units, features = array.shape
            places = array.reshape(units, features // side**2, side, side)  # the port flattens [C, H, W]
            return places.transpose(2, 3, 1, 0).reshape(features, units)
        return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T

    def _misfit(self, what: str) -> RunError:
        return RunError(f"{self.path} does not fit: it has {what}.")


def _table(n_res: int) -> list[tuple[str, str]]:
    """Returns the names of a generator's parameters in the port and here.

    A name of ours in two rows stands for two parameters of the port, concatenated along the last axis.
    """
    blocks = [(i, j) for i in range(n_res) for j in (1, 2)]
    return [
        ("DownBlock.1.weight", "conv/kernel"),
        ("DownBlock.5.weight", "conv_0/kernel"),
        ("DownBlock.9.weight", "conv_1/kernel"),
        *(
            (f"DownBlock.{12 + i}.conv_block.{4 * j - 3}.weight", f"resblock_{i}/res{j}/conv_0/kernel")
            for i, j in blocks
        ),
        ("gap_fc.weight", "CAM_logit/kernel"),
        ("gmp_fc.weight", "CAM_logit/kernel"),
        ("conv1x1.weight", "conv_1x1/kernel"),
        ("conv1x1.bias", "conv_1x1/bias"),
        ("FC.0.weight", "MLP/linear_0/kernel"),
        ("FC.2.weight", "MLP/linear_1/kernel"),
        ("gamma.weight", "MLP/gamma/kernel"),
        ("beta.weight", "MLP/beta/kernel"),
        *((f"UpBlock1_{i + 1}.conv{j}.weight", f"adaptive_resblock{i}/res{j}/conv_0/kernel") for i, j in blocks),
        *((f"UpBlock1_{i + 1}.norm{j}.rho", f"adaptive_resblock{i}/res{j}/instance_layer_norm/rho") for i, j in blocks),
        ("UpBlock2.2.weight", "up_conv_0/kernel"),
        ("UpBlock2.3.rho", "layer_ins_norm_0/rho"),
        ("UpBlock2.3.gamma", "layer_ins_norm_0/gamma"),
        ("UpBlock2.3.beta", "layer_ins_norm_0/beta"),
        ("UpBlock2.7.weight", "up_conv_1/kernel"),
        ("UpBlock2.8.rho", "layer_ins_norm_1/rho"),
        ("UpBlock2.8.gamma", "layer_ins_norm_1/gamma"),
        ("UpBlock2.8.beta", "layer_ins_norm_1/beta"),
        ("UpBlock2.11.weight", "G_logit/kernel"),
    ]


def _constants(n_res: int) -> dict[str, float]:
    """Returns those of our parameters that the port lacks, with the values at which they have no effect."""
    norms = ["ins_norm", "ins_norm_0", "ins_norm_1"]
    norms += [f"resblock_{i}/res{j}/instance_norm" for i in range(n_res) for j in (1, 2)]
    layers = {ours.removesuffix("/kernel") for _, ours in _table(n_res) if ours.endswith("/kernel")} - {"conv_1x1"}
    scales, shifts = [f"{norm}/gamma" for norm in norms], [f"{name}/beta" for name in norms]
    return dict.fromkeys(scales, 1.0) | dict.fromkeys(shifts + [f"{layer}/bias" for layer in sorted(layers)], 0.0)
