"""Translation of a test set: its pictures, their section of the gallery, and scores where ground truth is known."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images, sources
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.evaluation import batches
from ugatit_tf.evaluation.paired import PairedScores
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
    """One way of translating a test set.

    Attributes:
        source: the domain translated, "A" or "B".
        target: the other one.
        translate: uint8 `[B, size, size, C]` to arrays.
        test_set: images of the source.
        ground_truth: the right translations of the test set, one by one; None where they are not known.
    """

    source: str
    target: str
    translate: Callable[[np.ndarray], Translation]
    test_set: ImageSet
    ground_truth: ImageSet | None

    @property
    def name(self) -> str:
        return f"{self.source}2{self.target}"


def translate(
    config: Config, folder: Path, direction: Direction, unreadable: list[str]
) -> tuple[gallery.Section, dict[str, float]]:
    """Translates a direction's test images and saves them.

    Args:
        config: of the run.
        folder: gets `A2B/` or `B2A/`, and what the page shows beside them.
        direction: what is translated.
        unreadable: gets a line for each image that cannot be read.

    Returns:
        A section of a page, and the scores of `PairedScores.summary` where the ground truth is known.

    Raises:
        RunError: where a file cannot be written.
    """
    for place in (direction.name, f"gallery/{direction.name}/input", f"gallery/{direction.name}/attention"):
        make_folder(folder / place)
        for earlier in (folder / place).glob("*.png"):  # of another checkpoint, perhaps of other images
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
            # It is the other direction's input of the same name.
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
    for indices, inputs in batches.read(direction.test_set, config.img_size, unreadable, direction.name):
        translation = direction.translate(np.stack(inputs))
        outputs = images.to_uint8(translation.image)
        for index, source, values, output in zip(indices, inputs, translation.heatmap, outputs, strict=True):
            yield index, source, heatmap.overlay(source, values), output


def _mean_image(config: Config, split: str) -> np.ndarray:
    """The mean of a split's images, float `[S, S, C]`, 0 to 255."""
    (image_set,) = sources.open_splits(config, (split,))
    total = sum(image_set.read(index, config.img_size).astype(np.float64) for index in range(len(image_set)))
    return total / len(image_set)
