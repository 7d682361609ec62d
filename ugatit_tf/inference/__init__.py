"""Trained generators, ready to use: from a run's checkpoint, a `.keras` file, a SavedModel, or the Hugging Face Hub."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf import json_files
from ugatit_tf.checkpoints.checkpoint import Checkpoint, open_folder
from ugatit_tf.config import CONFIG_FILE
from ugatit_tf.data import images
from ugatit_tf.direction import Direction
from ugatit_tf.errors import RunError, UsageError, reason
from ugatit_tf.inference import hub
from ugatit_tf.networks.generator import Generator, Translation
from ugatit_tf.ops import check_keras_settings, cpu_kernels
from ugatit_tf.options import NEWEST
from ugatit_tf.system.files import stamp_all
from ugatit_tf.training.ugatit import UGATIT

__all__ = ["Translator", "direction_of", "load_generator", "treatment_of"]

_AT_A_TIME = 32  # pictures
_LOADED_BY = os.getpid()  # the process that loaded TensorFlow


class Translator:
    """Maps pictures to pictures, by a generator from anywhere.

    Args:
        generate: float `[B, size, size, channels]` in [-1, 1] to a `Translation`; a `Generator` is one.
        size: side of the images, in pixels.
        channels: 1, 3 or 4.
        identity: a text that changes when the generator does.
        name: what people are told that it is.
    """

    def __init__(
        self,
        generate: Callable[[tf.Tensor], Translation],
        size: int,
        channels: int,
        identity: str = "",
        name: str = "",
    ) -> None:
        self.size = size
        self.channels = channels
        self.identity = identity
        self.name = name
        signature = tf.TensorSpec((None, size, size, channels))
        # Its first call traces it: CPU kernels are asked for there.
        self._generate = tf.function(generate, input_signature=[signature], autograph=False)

    @classmethod
    def of(cls, checkpoint: Checkpoint, direction: str) -> Self:
        """A translator by a checkpoint's generator of a direction, "A2B" or "B2A"."""
        config, identity, name = checkpoint.config, checkpoint.identity, str(checkpoint)
        return cls(checkpoint.generator(direction), config.img_size, config.img_ch, identity, name)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Translates uint8 `[B, H, W, channels]`, any B, H and W, into uint8 `[B, size, size, channels]`.

        It translates 32 pictures at a time: memory does not grow with B.

        Raises:
            ValueError: The pictures have another dtype or shape.
            RunError: This process is a forked child of the one that loaded TensorFlow.
        """
        _check_process()
        expected = ("uint8", 4, self.channels)
        if (str(pictures.dtype), pictures.ndim, pictures.shape[-1]) != expected:
            raise ValueError(f"expected uint8 [B, H, W, {self.channels}], not {pictures.dtype} {list(pictures.shape)}")
        translated = np.empty((len(pictures), self.size, self.size, self.channels), np.uint8)
        for start in range(0, len(pictures), _AT_A_TIME):
            part = slice(start, start + _AT_A_TIME)
            floats = images.to_float(np.stack([images.resize(picture, self.size) for picture in pictures[part]]))
            with cpu_kernels():
                translated[part] = images.to_uint8(self._generate(floats).image.numpy())
        return translated

    def translate(self, pictures: np.ndarray) -> Translation:
        """All that the generator gives, as arrays, for uint8 `[B, size, size, channels]`."""
        _check_process()
        with cpu_kernels():
            return Translation(*(output.numpy() for output in self._generate(images.to_float(pictures))))


def load_generator(path: str | Path, direction: str = "A2B", checkpoint: str = NEWEST) -> Translator:
    """Loads a trained generator.

    Args:
        path: a run's checkpoint folder, with its `config.json`, or one of the reference's; or a `.keras` file or a
            SavedModel's folder, as the export phase writes them; or "hf://USER/NAME" or "hf://USER/NAME@REVISION", a
            repository of the Hugging Face Hub that holds what `--export_format huggingface` writes.
        direction: "A2B" or "B2A"; counts for a checkpoint, a repository or a saved `UGATIT`, which hold both,
            while an exported network has its own.
        checkpoint: "newest", of those that are intact; "best", where `--keep_best` kept one; or a step as a text.

    Raises:
        UsageError: for the Hub, where its package is not installed; where Keras has settings that networks cannot take.
        RunError: where there is no such thing, it cannot be fetched, or it is damaged or another program's; in a forked
            child of the process that loaded TensorFlow.
        ValueError: for another direction.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from ugatit_tf import Generator, load_generator
        >>> generator = Generator(ch=4, n_res=1, light=True)
        >>> generator.build((None, 32, 32, 3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     generator.save(f"{folder}/generator.keras")
        ...     translate = load_generator(f"{folder}/generator.keras")
        >>> pictures = np.zeros((2, 48, 40, 3), "uint8")
        >>> translate(pictures).shape
        (2, 32, 32, 3)
    """
    _check_process()
    check_keras_settings()
    direction = Direction(direction)
    if checkpoint != NEWEST and is_export(path):
        raise RunError(f"{path} is an export: it has no checkpoint {checkpoint}.")
    path = hub.fetch(path, direction) if hub.is_address(path) else Path(path)
    if (path / "saved_model.pb").is_file():
        return _from_saved_model(path)
    if path.suffix == ".keras" and path.is_file():
        return _from_keras(path, direction)
    if (path / CONFIG_FILE).is_file() or any(path.glob("*.index")) or Path(f"{path}.index").is_file():
        return Translator.of(open_folder(path, [direction], checkpoint), direction)
    raise RunError(f"{path} is no folder of checkpoints, no SavedModel and no .keras file.")


def _check_process() -> None:
    """Raises a RunError in a forked child: it lacks the threads of TensorFlow, so a call would never end."""
    if os.getpid() != _LOADED_BY:
        raise RunError(
            "TensorFlow was loaded before this process was forked, and would hang here: start processes by "
            "multiprocessing.get_context('spawn'), or import ugatit_tf.load_generator in the child alone."
        )


def is_export(path: str | Path) -> bool:
    """Whether a path is of an exported network, or an address of a repository of such, as opposed to checkpoints."""
    return hub.is_address(path) or (Path(path) / "saved_model.pb").is_file() or Path(path).suffix == ".keras"


def directions_of(model: str) -> tuple[Direction, ...]:
    """The directions of what `load_generator` loads: of a checkpoint and of a repository both, of an export its own."""
    return (direction_of(model),) if is_export(model) and not hub.is_address(model) else tuple(Direction)


def direction_of(model: str | Path, asked: str = "") -> Direction:
    """Which way a model translates: as is asked for, or else as an export's `signature.json` says, or else "A2B".

    Raises:
        UsageError: where the two contradict each other.
    """
    own = _signature(model).get("direction", "")
    if own and asked and own != asked:
        raise UsageError(f"--direction {asked}: --model {model} is for {own}.")
    return Direction(asked or own or "A2B")


def treatment_of(model: str | Path) -> dict[str, Any]:
    """Returns how pictures become squares for an export, as its `signature.json` says; {} if that says nothing."""
    found = _signature(model).get("input")
    return found if isinstance(found, dict) else {}


def _signature(model: str | Path) -> dict[str, Any]:
    return json_files.read_if_valid(Path(model).parent / "signature.json", dict[str, Any]) or {}


def _from_keras(path: Path, direction: Direction) -> Translator:
    try:
        model = keras.saving.load_model(path)
    except Exception as error:  # the zip, HDF5 and JSON readers below Keras each raise their own
        raise RunError(f"{path} is damaged or not a Keras model: {reason(error)}") from error
    generator = model.sampler(direction.target) if isinstance(model, UGATIT) else model
    if not isinstance(generator, Generator):
        raise RunError(f"{path} holds a {type(generator).__name__}, not a generator of this project.")
    size = generator.get_build_config()["input_shape"][1]
    return Translator(generator, size, generator.img_ch, stamp_all(path))


def _from_saved_model(folder: Path) -> Translator:
    try:
        loaded = tf.saved_model.load(str(folder))
        translate = loaded.signatures["translate"]
        _, size, _, channels = translate.structured_input_signature[1]["images"].shape
    except (tf.errors.OpError, OSError) as error:
        raise RunError(f"{folder} is damaged or cannot be read: {reason(error)}") from error
    except (KeyError, AttributeError, ValueError) as error:
        raise RunError(f"{folder} is a SavedModel of another program: it does not have our `translate`.") from error

    def generate(floats: tf.Tensor) -> Translation:
        outputs = loaded.translate(floats)
        return Translation(outputs["output"], outputs["cam_logits"], outputs["heatmap"])

    return Translator(generate, size, channels, stamp_all(folder))
