"""Trained generators, ready to use: from a run's newest checkpoint, a `.keras` file or a SavedModel."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf.checkpoints import checkpoint_files, checkpoints
from ugatit_tf.config import ARCHITECTURE, CONFIG_FILE, Config
from ugatit_tf.data import images
from ugatit_tf.errors import RunError
from ugatit_tf.networks.generator import Generator, Translation
from ugatit_tf.ops.cpu_kernels import run_here
from ugatit_tf.training import ema
from ugatit_tf.training.ugatit import build_generator

DIRECTIONS = {"A2B": "B", "B2A": "A"}  # to the domain whose generator it takes


class Translator:
    """Maps pictures to pictures, by a generator from anywhere.

    Args:
        generate: float `[B, size, size, channels]` in [-1, 1] to a `Translation`; a `Generator` is one.
        size: side of the images, in pixels.
        channels: 1, 3 or 4.
    """

    def __init__(self, generate: Callable[[tf.Tensor], Translation], size: int, channels: int) -> None:
        self.size = size
        self.channels = channels
        signature = tf.TensorSpec((None, size, size, channels))

        @run_here()
        def generate_here(floats: tf.Tensor) -> Translation:
            return generate(floats)

        self._generate = tf.function(generate_here, input_signature=[signature], autograph=False)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Translates uint8 `[B, H, W, channels]`, any H and W, into uint8 `[B, size, size, channels]`.

        Raises:
            ValueError: where the pictures are of another type or shape.
        """
        expected = ("uint8", 4, self.channels)
        if (str(pictures.dtype), pictures.ndim, pictures.shape[-1]) != expected:
            raise ValueError(f"expected uint8 [B, H, W, {self.channels}], not {pictures.dtype} {list(pictures.shape)}")
        resized = [images.resize(picture, self.size) for picture in pictures]
        return images.to_uint8(self.translate(np.stack(resized)).image)

    def translate(self, pictures: np.ndarray) -> Translation:
        """All that the generator gives, as arrays, for uint8 `[B, size, size, channels]`."""
        return Translation(*(output.numpy() for output in self._generate(images.to_float(pictures))))


def load_generator(path: str | Path, direction: str = "A2B") -> Translator:
    """Loads a trained generator.

    Args:
        path: a run's checkpoint folder, with its `config.json`, whose newest sound checkpoint is taken; or a `.keras`
            file or a SavedModel's folder, as the export phase writes them.
        direction: "A2B" or "B2A"; counts for a checkpoint, which holds both, while an exported network has its own.

    Raises:
        RunError: where there is no such thing, or it is damaged or another program's.
        ValueError: for another direction.
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"direction must be one of {', '.join(DIRECTIONS)}, not {direction!r}")
    path = Path(path)
    if (path / CONFIG_FILE).is_file():
        return _from_checkpoint(path, direction)
    if (path / "saved_model.pb").is_file():
        return _from_saved_model(path)
    if path.suffix == ".keras" and path.is_file():
        return _from_keras(path)
    raise RunError(f"{path} is no checkpoint folder with its {CONFIG_FILE}, no SavedModel and no .keras file.")


def find_checkpoint(config: Config, *, whole: bool = False) -> tuple[Path, Config]:
    """The run's newest checkpoint that is sound, to make images with.

    Args:
        config: of the run.
        whole: whether all of it has to be sound, and not its generators alone.

    Returns:
        Its prefix, and the configuration that it was trained with: `config` itself where none is beside it.

    Raises:
        RunError: where there is none, or it is of another network than the one asked for.
    """
    saved = checkpoints.saved_config(config)
    if saved is not None and checkpoints.listed(config):  # before verifying, which takes its time
        any_size = {"img_size"} if config.light else set()
        checkpoints.check_architecture(config, saved, ARCHITECTURE - any_size)
    networks = None if whole else [network for direction in DIRECTIONS for network in _networks(direction)]
    return checkpoints.require(config, networks), saved or config


def is_averaged(config: Config, prefix: Path) -> bool:
    """Whether pictures are made with a checkpoint's moving averages: if it has them, and its run had `ema` last.

    Args:
        config: counts for the run's where no `config.json` is beside the checkpoint.
        prefix: of the checkpoint.

    Raises:
        RunError: where the checkpoint is damaged.
    """
    trained = checkpoints.config_in(prefix.parent) or config
    return trained.ema > 0 and bool(checkpoints.averages(checkpoints.names_in(prefix)))


def note(config: Config, prefix: Path) -> str:
    """What to put behind a checkpoint's name where it `is_averaged`; else empty."""
    return " (moving average)" if is_averaged(config, prefix) else ""


def restored_generator(config: Config, prefix: Path, direction: str) -> Generator:
    """The generator of one of DIRECTIONS with its weights from a checkpoint, or, where it `is_averaged`, their average.

    Raises:
        RunError: where the checkpoint is damaged or of another network.
    """
    generator = build_generator(config, DIRECTIONS[direction], average=is_averaged(config, prefix))
    checkpoints.restore(generator.variables, prefix, whole=False)
    return generator


def _networks(direction: str) -> list[str]:
    """What a checkpoint calls a direction's generator, and its average if there is one."""
    name = f"generator_{DIRECTIONS[direction]}"
    return [name, f"{ema.PREFIX}{name}"]


def _from_checkpoint(folder: Path, direction: str) -> Translator:
    config = checkpoints.config_in(folder)
    prefix = checkpoint_files.newest_sound(folder, config.model_name, _networks(direction)).prefix
    if prefix is None:
        raise RunError(f"{folder} has no checkpoint {config.model_name}.model-*.")
    return Translator(restored_generator(config, prefix, direction), config.img_size, config.img_ch)


def _from_keras(path: Path) -> Translator:
    try:
        generator = keras.saving.load_model(path)
    except Exception as error:  # the zip, HDF5 and JSON readers below Keras each raise their own
        raise RunError(f"{path} is damaged or not a Keras model: {_one_line(error)}") from error
    if not isinstance(generator, Generator):
        raise RunError(f"{path} holds a {type(generator).__name__}, not a generator of this project.")
    return Translator(generator, generator.get_build_config()["input_shape"][1], generator.img_ch)


def _from_saved_model(folder: Path) -> Translator:
    try:
        loaded = tf.saved_model.load(str(folder))
        translate = loaded.signatures["translate"]
        _, size, _, channels = translate.structured_input_signature[1]["images"].shape
    except (tf.errors.OpError, OSError) as error:
        raise RunError(f"{folder} is damaged or cannot be read: {_one_line(error)}") from error
    except (KeyError, AttributeError, ValueError) as error:
        raise RunError(f"{folder} is a SavedModel of another program: it does not have our `translate`.") from error

    def generate(floats: tf.Tensor) -> Translation:
        outputs = loaded.translate(floats)
        return Translation(outputs["output"], outputs["cam_logits"], outputs["heatmap"])

    return Translator(generate, size, channels)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
