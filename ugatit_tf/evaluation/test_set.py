"""Translates a test set: writes its pictures, and scores them if the ground truth is known."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images, sources
from ugatit_tf.data.image_set import ImageSet
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


class Direction(NamedTuple):
    """One way of translating a test set."""

    source: str  # the domain of the test images, "A" or "B"
    target: str  # the other domain
    translate: Callable[[np.ndarray], Translation]  # the translating function of uint8 `[B, size, size, C]`
    test_set: ImageSet
    ground_truth: ImageSet | None  # the right translations, in the order of the test images; None if they are not known

    @property
    def name(self) -> str:
        return f"{self.source}2{self.target}"


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
    config: Config, folder: Path, direction: Direction, unreadable: list[str]
) -> tuple[gallery.Section, dict[str, float]]:
    """Translates a direction's test images and saves them.

    Args:
        config: the configuration of the run.
        folder: gets the folder `A2B` or `B2A`, and the pictures that the page shows beside its own.
        direction: the test images and their translating function.
        unreadable: gets a line for each image that cannot be read.

    Returns:
        The section of the page; and `PairedScores.summary`, which is empty if the ground truth is not known.

    Raises:
        RunError: A file cannot be written.
    """
    for place in (direction.name, f"gallery/{direction.name}/input", f"gallery/{direction.name}/attention"):
        make_folder(folder / place)
        for earlier in (folder / place).glob("*.png"):  # of another checkpoint, which may have had other test images
            earlier.unlink()
    paired = PairedScores(_mean_image(config, f"train{direction.target}")) if direction.ground_truth else None
    items = []
    for index, source, attention, output in _translate(config, direction, unreadable):
        name = direction.test_set.names[index]
        pictures = {
            "input": (f"gallery/{direction.name}/input/{name}.png", source),
            "attention": (f"gallery/{direction.name}/attention/{name}.png", attention),
            "output": (f"{direction.name}/{name}.png", output),
        }
        for path, picture in pictures.values():
            images.save_png(folder / path, picture)
        shown = [(caption, path) for caption, (path, _) in pictures.items()]
        note = ""
        if direction.ground_truth and paired:
            note = f"L1 {paired.add(source, output, direction.ground_truth.read(index, config.img_size)):.3f}"
            # The ground truth is the other direction's input of the same name.
            shown.append(("ground truth", f"gallery/{direction.target}2{direction.source}/input/{name}.png"))
        items.append(gallery.Item(name, tuple(shown), note))
    scores = paired.summary() if paired else {}
    summary = tuple((label, f"{scores[key]:.3f}") for key, label in _SCORE_LABELS.items() if scores)
    for label, value in summary:
        _log.info("%s: %s: %s", direction.name, label, value)
    return gallery.Section(f"{direction.source} → {direction.target}", summary, tuple(items)), scores


def _translate(
    config: Config, direction: Direction, unreadable: list[str]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields index, input, heatmap over the input, and output of each readable test image, uint8 `[S, S, C]` each."""
    for indices, inputs in read_batches(direction.test_set, config.img_size, unreadable, direction.name):
        translation = direction.translate(np.stack(inputs))
        outputs = images.to_uint8(translation.image)
        for index, source, values, output in zip(indices, inputs, translation.heatmap, outputs, strict=True):
            yield index, source, heatmap.overlay(source, values), output


def _mean_image(config: Config, split: str) -> np.ndarray:
    """Returns the mean of a split's images, float `[S, S, C]`, 0 to 255."""
    (image_set,) = sources.open_splits(config, (split,))
    total = sum(image_set.read(index, config.img_size).astype(np.float64) for index in range(len(image_set)))
    return total / len(image_set)
