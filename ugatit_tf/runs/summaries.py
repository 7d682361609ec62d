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
    """Writes a run's `logs/` and `samples/`. Write failures are logged once per kind and do not stop training.

    Args:
        config: the run's configuration.
        samples_a: uint8 `[N, S, S, C]`, the images of A that every grid shows.
        samples_b: uint8 `[N, S, S, C]`, the images of B that every grid shows.
        step: completed steps. TensorBoard hides the points of later steps, which the run takes again.
    """

    def __init__(self, config: Config, samples_a: np.ndarray, samples_b: np.ndarray, step: int) -> None:
        self._config = config
        self._samples = {"A": samples_a, "B": samples_b}
        self._folder = Path(config.sample_dir) / config.model_dir
        make_folder(self._folder)
        self._logs = Path(config.log_dir) / config.model_dir
        make_folder(self._logs)
        self._failed_kinds: set[str] = set()
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
        """Writes a point to every curve."""

        def write() -> None:
            for name, value in metrics.items():
                tf.summary.scalar(name, value)

        self._record(step, write)

    def write_samples(self, step: int, model: UGATIT) -> dict[str, np.ndarray]:
        """Translates the sample images both ways, by the moving averages where there are any.

        Writes `real_A` and `fake_B`, as the reference does, `real_B` and `fake_A`, and the grids `A2B` and `B2A`. Each
        row of a grid shows one image: input, heatmap over the input, translation, reconstruction. TensorBoard gets the
        two grids and rho's histograms.

        Returns:
            The pictures by the names above, uint8 `[H, W, C]`, also those that could not be written.
        """
        grids = {}
        for source, target in ("AB", "BA"):
            to_target, to_source = model.sampler(target), model.sampler(source)
            rows = [_row(image, to_target, to_source) for image in self._samples[source]]
            grids[f"{source}2{target}"] = np.vstack([np.hstack(row) for row in rows])
            grids[f"real_{source}"] = np.vstack([row[0] for row in rows])
            grids[f"fake_{target}"] = np.vstack([row[2] for row in rows])
        try:
            make_folder(self._folder)  # somebody may have tidied up
            for name, grid in grids.items():
                images.save_png(self._path(name, step), grid)
        except RunError as error:
            self._warn_once(str(error), "sample pictures")

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
        """Returns whether `write_samples` has written all pictures of a step."""
        return self._path("fake_A", step).exists()

    def write_text(self, step: int, name: str, text: str) -> None:
        """Writes a text, which TensorBoard shows under Text."""
        self._record(step, lambda: tf.summary.text(name, text))

    def close(self) -> None:
        """Closes the event file; all of its points are on the disk already."""
        if self._writer is not None:
            self._writer.close()

    def _open(self) -> None:
        try:
            self._writer = tf.summary.create_file_writer(str(self._logs))
        except tf.errors.OpError as error:
            for path in self._logs.glob("events.out.tfevents.*"):
                if not path.stat().st_size:  # the empty file of this attempt
                    path.unlink()
            self._stop_curves(error)

    def _record(self, step: int, write: Callable[[], None]) -> None:
        """Calls `write`, which calls `tf.summary`, and flushes the event file.

        A failed write leaves half a record in the event file, and readers stop there. So the writer drops that file;
        the next sample pictures open another one.
        """
        if self._writer is None:
            return
        try:
            with self._writer.as_default(step=step):
                write()
                tf.summary.flush()  # if only the context's end flushed, its failure would leave this writer the default
        except tf.errors.OpError as error:
            self._stop_curves(error)

    def _stop_curves(self, error: tf.errors.OpError) -> None:
        self._writer = None
        self._warn_once(f"cannot write to {self._logs}: {reason(error)}", "points on TensorBoard's curves")

    def _warn_once(self, trouble: str, missing: str) -> None:
        if missing not in self._failed_kinds:
            self._failed_kinds.add(missing)
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


def _row(image: np.ndarray, to_target: Generator, to_source: Generator) -> tuple[np.ndarray, ...]:
    """Returns input, heatmap, translation and reconstruction of one image (more would need more memory).

    Each is uint8 `[S, S, 3 or 4]`.
    """
    translated = to_target(images.to_float(image)[np.newaxis])
    reconstructed = to_source(translated.image)
    pictures = (
        image,
        heatmap.overlay(image, translated.heatmap[0].numpy()),
        images.to_uint8(translated.image[0].numpy()),
        images.to_uint8(reconstructed.image[0].numpy()),
    )
    channels = 4 if image.shape[-1] == 4 else 3
    return tuple(images.with_channels(picture, channels) for picture in pictures)
