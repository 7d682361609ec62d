"""TensorBoard curves and sample grids of a run."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images, sources
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.errors import RunError, reason
from ugatit_tf.networks.generator import Generator
from ugatit_tf.system.files import make_folder
from ugatit_tf.training.ugatit import UGATIT

_SAMPLES = 4

_log = logging.getLogger(__name__)


class Summaries:
    """Writes a run's `logs/` and `samples/`. What cannot be written is told in the log, once of either, and left out.

    Args:
        config: of the run.
        samples_a: uint8 `[N, S, S, C]`, the images of A that every grid shows.
        samples_b: likewise of B.
        step: steps done. What curves there are of later ones, which a crash has undone, goes.
    """

    def __init__(self, config: Config, samples_a: np.ndarray, samples_b: np.ndarray, step: int) -> None:
        self._config = config
        self._samples = {"A": samples_a, "B": samples_b}
        self._folder = Path(config.sample_dir) / config.model_dir
        make_folder(self._folder)
        self._logs = Path(config.log_dir) / config.model_dir
        make_folder(self._logs)
        self._told: set[str] = set()
        self._writer: tf.summary.SummaryWriter | None = None
        self._open()
        # TensorBoard hides the points that earlier sessions wrote from this event's step on. `tf.summary` has no public
        # function for events of sessions.
        event = tf.compat.v1.Event(
            step=step + 1, session_log=tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        )
        self._record(
            step, lambda: tf.raw_ops.ImportEvent(writer=self._writer._resource, event=event.SerializeToString())
        )

    def write_scalars(self, step: int, metrics: Mapping[str, tf.Tensor | float]) -> None:
        """Adds a point to every curve."""

        def write() -> None:
            for name, value in metrics.items():
                tf.summary.scalar(name, value)

        self._record(step, write)

    def write_samples(self, step: int, model: UGATIT) -> dict[str, np.ndarray]:
        """Translates the sample images both ways, by the moving averages where there are any.

        Writes `real_A`, `fake_B` (as the reference), `real_B`, `fake_A`, and `A2B` and `B2A`: a row an image of input,
        heatmap over the input, translation, and the translation back. TensorBoard gets the two grids and rho's
        histograms.

        Returns:
            The pictures, written or not, uint8 `[H, W, C]`, by the names above.
        """
        grids = {}
        for source, target in ("AB", "BA"):
            forth, back = model.sampler(target), model.sampler(source)
            rows = [_row(image, forth, back) for image in self._samples[source]]
            grids[f"{source}2{target}"] = np.vstack([np.hstack(row) for row in rows])
            grids[f"real_{source}"] = np.vstack([row[0] for row in rows])
            grids[f"fake_{target}"] = np.vstack([row[2] for row in rows])
        try:
            make_folder(self._folder)  # somebody may have tidied up
            for name, grid in grids.items():
                images.save_png(self._path(name, step), grid)
        except RunError as error:
            self._tell(str(error), "sample pictures")

        def write() -> None:
            for name in ("A2B", "B2A"):
                tf.summary.image(name, grids[name][np.newaxis])
            for variable in model.generator_variables:
                if variable.name == "rho":
                    tf.summary.histogram(variable.path, variable.value)

        if self._writer is None:
            self._open()
        self._record(step, write)
        return grids

    def has_samples(self, step: int) -> bool:
        """Whether `write_samples` has come to its end at a step."""
        return self._path("fake_A", step).exists()

    def write_text(self, step: int, name: str, text: str) -> None:
        """Puts a text beside the curves."""
        self._record(step, lambda: tf.summary.text(name, text))

    def close(self) -> None:
        """Closes the file of the curves, all of which is on the disk already."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> None:
        try:
            self._writer = tf.summary.create_file_writer(str(self._logs))
        except tf.errors.OpError as error:
            for path in self._logs.glob("events.out.tfevents.*"):
                if not path.stat().st_size:  # of this attempt
                    path.unlink()
            self._tell_of_curves(error)

    def _record(self, step: int, write: Callable[[], None]) -> None:
        """Has `write` call `tf.summary`, and puts it all on the disk.

        A failure leaves half a record in the event file, behind which nothing is read any more. So that is the file's
        end; the next sample pictures begin another.
        """
        if self._writer is None:
            return
        try:
            with self._writer.as_default(step=step):
                write()
                tf.summary.flush()  # if only the context's end flushed, its failure would leave this writer the default
        except tf.errors.OpError as error:
            self._tell_of_curves(error)

    def _tell_of_curves(self, error: tf.errors.OpError) -> None:
        self._writer = None
        self._tell(f"cannot write to {self._logs}: {reason(error)}", "points on TensorBoard's curves")

    def _tell(self, trouble: str, missing: str) -> None:
        if missing not in self._told:
            self._told.add(missing)
            _log.warning("Going on without %s, until this is mended: %s", missing, trouble)

    def _path(self, name: str, step: int) -> Path:
        epoch, index = divmod(step - 1, self._config.iteration)
        return self._folder / f"{name}_{epoch:03d}_{index + 1:05d}.png"


def write_scores(folder: Path, step: int, values: Mapping[str, float]) -> None:
    """Writes the scores of a step to an event file of their own.

    Raises:
        RunError: The file cannot be written.
    """
    try:
        with tf.summary.create_file_writer(str(folder)).as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
    except tf.errors.OpError as error:
        raise RunError(f"cannot write to {folder}: {reason(error)}") from error


def read_samples(config: Config, domain: str, train_set: ImageSet) -> np.ndarray:
    """Reads the images of "A" or "B" that every grid shows: the first ones of the test split that can be read.

    The training split takes the place of a test split that is missing or cannot be read.

    Returns:
        uint8 `[N, S, S, C]`.

    Raises:
        RunError: No image of the training split can be read either.
    """

    def read(image_set: ImageSet) -> np.ndarray:
        return sources.read_all(image_set, range(min(_SAMPLES, len(image_set))), config.img_size, print)

    try:
        return read(*sources.open_splits(config, (f"test{domain}",)))
    except RunError:
        return read(train_set)


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
