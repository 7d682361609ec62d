"""The sample pictures of a run, and its curves for TensorBoard."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images, sources
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.direction import Direction
from ugatit_tf.errors import RunError, reason
from ugatit_tf.networks.generator import Generator
from ugatit_tf.runs.observers import Alarm, Due, Observer
from ugatit_tf.system.files import make_folder
from ugatit_tf.training.ugatit import UGATIT

_SAMPLES = 4


def read_samples(config: Config, domain: str, train_set: ImageSet) -> np.ndarray:
    """Reads the images of "A" or "B" that every grid shows: the first ones of the test split that can be read.

    The training split takes the place of a test split that is missing or cannot be read.

    Returns:
        uint8 `[N, S, S, C]`.

    Raises:
        RunError: No image of the training split can be read either.
    """

    def read(image_set: ImageSet) -> np.ndarray:
        return sources.read_all(image_set, range(min(_SAMPLES, len(image_set))), config.img_size)

    try:
        return read(*sources.open_splits(config, (f"test{domain}",)))
    except RunError:
        return read(train_set)


def draw_samples(model: UGATIT, samples: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Translates the sample images both ways, by the moving averages if there are any.

    Args:
        model: gives the generators.
        samples: images of "A" and "B", uint8 `[N, S, S, C]`.

    Returns:
        uint8 `[H, W, C]` by name: the columns `real_A`, `fake_B`, `real_B` and `fake_A`, and the grids `A2B` and `B2A`.
        Each row of a grid shows one image: input, heatmap over the input, translation, reconstruction.
    """
    pictures = {}
    for direction in Direction:
        source, target = direction.source, direction.target
        to_target, to_source = model.sampler(target), model.sampler(source)
        rows = [_draw_row(image, to_target, to_source) for image in samples[source]]
        pictures[direction] = np.vstack([np.hstack(row) for row in rows])
        pictures[f"real_{source}"] = np.vstack([row[0] for row in rows])
        pictures[f"fake_{target}"] = np.vstack([row[2] for row in rows])
    return pictures


def _draw_row(image: np.ndarray, to_target: Generator, to_source: Generator) -> tuple[np.ndarray, ...]:
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


class SampleFolder(Observer):
    """Writes the sample pictures to `samples/`, under the reference's names.

    Raises:
        RunError: The folder cannot be made.
    """

    failure = "Going on without sample pictures, until this is mended: %s"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._folder = Path(config.sample_dir) / config.model_dir
        make_folder(self._folder)

    def on_samples(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        make_folder(self._folder)  # somebody may have deleted it
        for name, picture in pictures.items():
            images.save_png(_sample_path(self._config, name, step), picture)


def has_samples(config: Config, step: int) -> bool:
    """Returns whether `SampleFolder` has written all pictures of a step."""
    return _sample_path(config, "fake_A", step).exists()


def _sample_path(config: Config, name: str, step: int) -> Path:
    epoch, index = divmod(step - 1, config.iteration)
    return Path(config.sample_dir) / config.model_dir / f"{name}_{epoch:03d}_{index + 1:05d}.png"


class Curves(Observer):
    """Writes a run's `logs/` for TensorBoard: curves, the grids of samples, histograms of rho, scores and warnings.

    Args:
        config: the run's configuration.
        first_step: completed steps. TensorBoard hides the points of later steps, which the run takes again.
        variables: the variables of the generators.

    Raises:
        RunError: The folder cannot be made.
    """

    failure = "Going on without points on TensorBoard's curves, until this is mended: %s"

    def __init__(self, config: Config, first_step: int, variables: Iterable[keras.Variable]) -> None:
        self._rhos = [variable for variable in variables if variable.name == "rho"]
        self._logs = Path(config.log_dir) / config.model_dir
        make_folder(self._logs)
        self._first_step = first_step
        self._writer: tf.summary.SummaryWriter | None = None

    def on_start(self) -> None:
        self._open()
        # This event makes TensorBoard hide the points that earlier sessions wrote from its step on. `tf.summary` has no
        # public function for it.
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        event = tf.compat.v1.Event(step=self._first_step + 1, session_log=start).SerializeToString()
        self._record(self._first_step, lambda: tf.raw_ops.ImportEvent(writer=self._writer._resource, event=event))

    def on_report(self, step: int, metrics: Mapping[str, float], due: Due) -> None:
        if due.log:
            self._record(step, lambda: _write_scalars(metrics))

    def on_score(self, step: int, scores: Mapping[str, float], problem: str | None) -> None:
        self._record(step, lambda: _write_scalars(scores))

    def on_samples(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        def write() -> None:
            for direction in Direction:
                tf.summary.image(direction, pictures[direction][np.newaxis])
            for rho in self._rhos:
                tf.summary.histogram(rho.path, rho.value)

        if self._writer is None:
            self._open()
        self._record(step, write)

    def on_warning(self, alarm: Alarm) -> None:
        self._record(alarm.step, lambda: tf.summary.text(f"warnings/{alarm.name}", alarm.text))

    def on_stop(self) -> None:
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
            self._fail(error)

    def _record(self, step: int, write: Callable[[], None]) -> None:
        """Calls `write`, which calls `tf.summary`, and flushes the event file.

        A failed write leaves half a record in the event file, and readers stop there. So this class drops that file;
        the next sample pictures open another one. Until then, nothing is written.
        """
        if self._writer is None:
            return
        try:
            with self._writer.as_default(step=step):
                write()
                tf.summary.flush()  # if only the context's end flushed, its failure would leave this writer the default
        except tf.errors.OpError as error:
            self._fail(error)

    def _fail(self, error: tf.errors.OpError) -> None:
        self._writer = None
        raise RunError(f"cannot write to {self._logs}: {reason(error)}") from error


def write_scores(folder: Path, step: int, values: Mapping[str, float]) -> None:
    """Writes the scores of a step to an event file of their own.

    Raises:
        RunError: The file cannot be written.
    """
    try:
        with tf.summary.create_file_writer(str(folder)).as_default(step=step):
            _write_scalars(values)
    except tf.errors.OpError as error:
        raise RunError(f"cannot write to {folder}: {reason(error)}") from error


def _write_scalars(values: Mapping[str, float]) -> None:
    for name, value in values.items():
        tf.summary.scalar(name, value)
