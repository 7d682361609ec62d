"""What a run leaves to look at: TensorBoard curves and the sample grids."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images
from ugatit_tf.files import make_folder
from ugatit_tf.networks.generator import Generator
from ugatit_tf.training.ugatit import UGATIT


class Summaries:
    """Writes a run's `logs/` and `samples/`.

    Args:
        config: of the run.
        samples_a: uint8 `[N, S, S, C]`, the images of A that every grid shows.
        samples_b: likewise of B.
    """

    def __init__(self, config: Config, samples_a: np.ndarray, samples_b: np.ndarray) -> None:
        self._config = config
        self._samples = {"A": samples_a, "B": samples_b}
        self._folder = Path(config.sample_dir) / config.model_dir
        make_folder(self._folder)
        logs = Path(config.log_dir) / config.model_dir
        make_folder(logs)
        self._writer = tf.summary.create_file_writer(str(logs))

    def write_scalars(self, step: int, metrics: Mapping[str, tf.Tensor]) -> None:
        """Adds a point to every curve."""
        with self._writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(name, value)

    def write_samples(self, step: int, model: UGATIT) -> dict[str, np.ndarray]:
        """Translates the sample images both ways, by the moving averages where there are any.

        Writes `real_A`, `fake_B` (as the reference), `real_B`, `fake_A`, and `A2B` and `B2A`: a row an image of input,
        heatmap over the input, translation, and the translation back. TensorBoard gets the two grids and rho's
        histograms.

        Returns:
            What was written, uint8 `[H, W, C]`, by the names above.
        """
        epoch, index = divmod(step - 1, self._config.iteration)
        grids = {}
        for source, target in ("AB", "BA"):
            forth, back = model.sampler(target), model.sampler(source)
            rows = [_row(image, forth, back) for image in self._samples[source]]
            grids[f"{source}2{target}"] = np.vstack([np.hstack(row) for row in rows])
            grids[f"real_{source}"] = np.vstack([row[0] for row in rows])
            grids[f"fake_{target}"] = np.vstack([row[2] for row in rows])
        for name, grid in grids.items():
            images.save_png(self._folder / f"{name}_{epoch:03d}_{index + 1:05d}.png", grid)
        with self._writer.as_default(step=step):
            for name in ("A2B", "B2A"):
                tf.summary.image(name, grids[name][np.newaxis])
            for variable in model.generator_variables:
                if variable.name == "rho":
                    tf.summary.histogram(variable.path, variable.value)
        self._writer.flush()
        return grids

    def write_text(self, step: int, name: str, text: str) -> None:
        """Puts a text beside the curves."""
        with self._writer.as_default(step=step):
            tf.summary.text(name, text)
        self._writer.flush()

    def close(self) -> None:
        """Flushes the curves to disk."""
        self._writer.close()


def _row(image: np.ndarray, forth: Generator, back: Generator) -> tuple[np.ndarray, ...]:
    """Input, heatmap, translation and cycle, uint8 `[S, S, 3 or 4]` each; of one image, to need little memory."""
    there = forth(images.to_float(image)[np.newaxis])
    again = back(there.image)
    pictures = (
        image,
        heatmap.overlay(image, there.heatmap[0].numpy()),
        images.to_uint8(there.image[0].numpy()),
        images.to_uint8(again.image[0].numpy()),
    )
    channels = 4 if image.shape[-1] == 4 else 3
    return tuple(images.with_channels(picture, channels) for picture in pictures)
