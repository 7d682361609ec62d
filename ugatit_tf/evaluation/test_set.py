"""Translates a test set: writes its pictures, and scores them if the ground truth is known."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images, sources
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.direction import Direction
from ugatit_tf.evaluation.collection import read_batches
from ugatit_tf.evaluation.scoring import l1
from ugatit_tf.networks.generator import Translation
from ugatit_tf.reports import gallery
from ugatit_tf.system.files import make_folder

_log = logging.getLogger(__name__)

_SCORE_LABELS = {
    "l1": "Mean L1 to the ground truth, 0 to 1",
    "copy_input": "… if the input is copied",
    "mean_target": "… if the mean training image is given",
}


class Task(NamedTuple):
    """A test set to translate."""

    direction: Direction  # the direction of translation
    translate: Callable[[np.ndarray], Translation]  # the translating function of uint8 `[B, size, size, C]`
    test_set: ImageSet
    ground_truth: ImageSet | None  # the right translations, in the order of the test images; None if they are not known


class PairedScores:
    """Collects the L1 to the ground truth of translations and of two baselines that need no network.

    Args:
        mean_target: the mean image of the target domain, float `[H, W, C]`, 0 to 255.
    """

    def __init__(self, mean_target: np.ndarray) -> None:
        self._mean_target = mean_target
        self._errors: list[tuple[float, float, float]] = []

    def add(self, source: np.ndarray, output: np.ndarray, truth: np.ndarray) -> float:
        """Adds an image, its translation and its ground truth, uint8 `[H, W, C]`; returns the translation's L1."""
        self._errors.append((l1(output, truth), l1(source, truth), l1(self._mean_target, truth)))
        return self._errors[-1][0]

    def summary(self) -> dict[str, float]:
        """Returns the means `l1`, `copy_input` and `mean_target`, and the number of `images`."""
        means = np.mean(self._errors, axis=0).tolist()
        return dict(zip(_SCORE_LABELS, means, strict=True)) | {"images": len(self._errors)}


def translate(
    config: Config, folder: Path, task: Task, unreadable: list[str]
) -> tuple[gallery.Section, dict[str, float]]:
    """Translates a direction's test images and saves them.

    Args:
        config: the configuration of the run.
        folder: gets the folder `A2B` or `B2A`, and the pictures that the page shows beside its own.
        task: the test images and their translating function.
        unreadable: gets a line for each image that cannot be read.

    Returns:
        The section of the page; and `PairedScores.summary`, which is empty if the ground truth is not known.

    Raises:
        RunError: A file cannot be written.
    """
    direction = task.direction
    for place in (direction, f"gallery/{direction}/input", f"gallery/{direction}/attention"):
        make_folder(folder / place)
        for earlier in (folder / place).glob("*.png"):  # of another checkpoint, which may have had other test images
            earlier.unlink()
    paired = PairedScores(_mean_image(config, f"train{direction.target}")) if task.ground_truth else None
    items = []
    for index, source, attention, output in _translate(config, task, unreadable):
        name = task.test_set.names[index]
        pictures = {
            "input": (f"gallery/{direction}/input/{name}.png", source),
            "attention": (f"gallery/{direction}/attention/{name}.png", attention),
            "output": (f"{direction}/{name}.png", output),
        }
        for path, picture in pictures.values():
            images.save_png(folder / path, picture)
        shown = [(caption, path) for caption, (path, _) in pictures.items()]
        note = ""
        if task.ground_truth and paired:
            note = f"L1 {paired.add(source, output, task.ground_truth.read(index, config.img_size)):.3f}"
            # The ground truth is the other direction's input of the same name.
            shown.append(("ground truth", f"gallery/{direction.reverse}/input/{name}.png"))
        items.append(gallery.Item(name, tuple(shown), note))
    scores = paired.summary() if paired else {}
    summary = tuple((label, f"{scores[key]:.3f}") for key, label in _SCORE_LABELS.items() if scores)
    for label, value in summary:
        _log.info("%s: %s: %s", direction, label, value)
    return gallery.Section(direction.arrow, summary, tuple(items)), scores


def _translate(
    config: Config, task: Task, unreadable: list[str]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields index, input, heatmap over the input, and output of each readable test image, uint8 `[S, S, C]` each."""
    for indices, inputs in read_batches(task.test_set, config.img_size, unreadable, task.direction):
        translation = task.translate(np.stack(inputs))
        outputs = images.to_uint8(translation.image)
        for index, source, values, output in zip(indices, inputs, translation.heatmap, outputs, strict=True):
            yield index, source, heatmap.overlay(source, values), output


def _mean_image(config: Config, split: str) -> np.ndarray:
    """Returns the mean of a split's images, float `[S, S, C]`, 0 to 255."""
    (image_set,) = sources.open_splits(config, (split,))
    total = sum(image_set.read(index, config.img_size).astype(np.float64) for index in range(len(image_set)))
    return total / len(image_set)
