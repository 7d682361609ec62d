"""Exports both generators of a checkpoint in all requested formats, and checks the files."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.config import Config
from ugatit_tf.data import sources
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.direction import Direction
from ugatit_tf.errors import RunError
from ugatit_tf.export import formats, huggingface, model_card, verify, web
from ugatit_tf.export.web import litert

_log = logging.getLogger(__name__)

_CHECKED_IMAGES = 8  # test images that the check compares
_CALIBRATION_IMAGES = 32  # training images that give int8 its ranges


def write(
    checkpoint: Checkpoint, config: Config, names: Sequence[str], folder: Path, *, packages: str, licence: str
) -> None:
    """Writes the generators in all requested formats, then checks the files.

    Most formats hold one direction and go to `A2B/` and `B2A/`. The page and the repository for the Hub hold both; they
    go to `web/` and `huggingface/`.

    Args:
        checkpoint: the checkpoint with the generators.
        config: the run's configuration, which names the test images.
        names: the formats: keys of `formats.FORMATS`, `web.NAME`, `huggingface.NAME`.
        folder: an existing, empty folder.
        packages: the folder of the page's runtime, as for `litert.read`.
        licence: the repository's licence, as for `huggingface.write`.

    Raises:
        RunError: The page's runtime or its networks cannot be fetched, or an exported file does not compute what the
            checkpoint does.
    """
    runtime = litert.read(packages) if web.NAME in names else {}
    finders = web.read_finders(config) if web.NAME in names else {}
    by_direction = [name for name in names if name in formats.FORMATS]
    calibration = {direction: _calibration(config, direction, names) for direction in Direction}
    tests = {direction: _test_images(config, direction) for direction in Direction}
    pictures = {direction: images for direction, (images, _) in tests.items()}
    _log.info("Exporting %s", checkpoint)
    generators = {}
    for direction in Direction:
        # Every machine and format supports float32.
        generator = generators[direction] = checkpoint.generator(direction, precision="float32")
        if not by_direction:
            continue
        (folder / direction).mkdir()
        for name in by_direction:
            _log.info("Writing %s %s ...", direction, name)
            formats.FORMATS[name].write(generator, config.img_size, folder / direction, calibration[direction])
    if runtime:
        _log.info("Writing the page ...")
        web.write(folder / web.NAME, config, checkpoint, generators, runtime=runtime, finders=finders)
    if huggingface.NAME in names:
        _log.info("Writing the repository for the Hugging Face Hub ...")
        samples = {direction: images for direction, (images, are_own) in tests.items() if are_own}
        huggingface.write(folder / huggingface.NAME, config, checkpoint, generators, samples=samples, licence=licence)
    _log.info("Checking in a fresh process ...")
    measurements = []
    if others := [name for name in names if name != huggingface.NAME]:
        measurements = verify.check(folder, others, generators, pictures)
    if huggingface.NAME in names:
        verify.check(folder / huggingface.NAME, huggingface.FORMATS, generators, pictures)
    if by_direction:
        for direction in Direction:  # after the check, which deletes 8-bit files that the interpreter refuses
            model_card.write(folder / direction, direction, checkpoint.step, checkpoint.config, by_direction)
    count = min(map(len, pictures.values()))
    _log.info("Agrees with the checkpoint on %s images in each direction.", count)
    if measurements:
        _log.info(verify.table(measurements))


def _calibration(config: Config, direction: Direction, names: Sequence[str]) -> np.ndarray:
    if "tflite" not in names:
        return np.empty((0, config.img_size, config.img_size, config.img_ch), np.uint8)
    return _read_evenly(
        sources.open_splits(config, (f"train{direction.source}",))[0], _CALIBRATION_IMAGES, config.img_size
    )


def _test_images(config: Config, direction: Direction) -> tuple[np.ndarray, bool]:
    """Returns the run's test images and True, or built-in images and False if the dataset is missing here."""
    split, are_own = f"test{direction.source}", True
    try:
        (image_set,) = sources.open_splits(config, (split,))
    except RunError:
        are_own = False
        _log.info("The dataset is not here: %s is checked with built-in images.", direction)
        (image_set,) = sources.open_splits(dataclasses.replace(config, dataset=sources.DEMO), (split,))
    return _read_evenly(image_set, _CHECKED_IMAGES, config.img_size), are_own


def _read_evenly(image_set: ImageSet, count: int, size: int) -> np.ndarray:
    """Reads up to `count` images at equal distances in a set, uint8 `[N, size, size, C]`."""
    indices = np.unique(np.linspace(0, len(image_set) - 1, count).astype(int))
    return sources.read_all(image_set, indices, size)
