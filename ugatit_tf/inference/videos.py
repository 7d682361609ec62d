"""Translates videos frame by frame, and keeps their times and their sound.

The frames pass through a chain of generators in small batches, so that memory does not grow with a video's length.
"""

import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from ugatit_tf.data import crops, parallel, videos
from ugatit_tf.data.crops import Cropper, NoFaceError, Region
from ugatit_tf.data.faces import Face
from ugatit_tf.data.videos import VideoError
from ugatit_tf.data.videos.reader import Frame, Video
from ugatit_tf.data.videos.writer import Writer
from ugatit_tf.errors import shown
from ugatit_tf.inference import Translator
from ugatit_tf.inference.following import FacePath
from ugatit_tf.inference.jobs import Files, Job, Output
from ugatit_tf.inference.smoothing import Smoothing
from ugatit_tf.system.files import make_folder, replace_file

_log = logging.getLogger(__name__)

_BATCH_SIZE = 8
_THREADS = 4  # for each of the steps; more threads would only hold more frames in memory

Item = TypeVar("Item")
# Maps a frame, uint8 `[H, W, C]`, and its time in seconds to the region to translate, and to whether that shows a face.
Place = Callable[[np.ndarray, float], tuple[Region, bool]]


def translate(files: Files, translator: Translator, cropper: Cropper, *, smooth: float) -> None:
    """Translates videos. Results that an earlier command has made from the same files in the same way are kept.

    Args:
        files: the videos; this function adds the problems and the number of results.
        translator: makes the translations.
        cropper: finds the square to translate in each frame.
        smooth: the time constant of `Smoothing` in seconds; 0 turns it off.

    Raises:
        RunError: A result cannot be written.
    """
    if not videos.is_installed():
        files.fail_all(f"they take PyAV: {videos.INSTALL}")
        return
    work = Work(files.output, translator, cropper, smooth)
    made_by = f"{translator.identity} {translator.size} {dataclasses.replace(cropper, detector=None)} {smooth}"
    for job in files.pending(made_by, videos.result_ending):
        try:
            damage = work.translate(job)
        except VideoError as error:
            files.problems.append(str(error))
            continue
        except NoFaceError as error:
            files.problems.append(f"{shown(job.path)}: {error}")
            continue
        files.record(job)
        files.written += 1
        if damage:
            files.partly.append(f"{shown(job.path)}: {damage}")
    files.report()


@dataclasses.dataclass(frozen=True)
class Shot:
    """A frame, and its translation once that is made.

    Attributes:
        pts: the time at which the frame is shown, in units of the video's `time_base`.
        duration: how long the frame is shown, in units of `time_base`.
        height: the height of the frame, in pixels.
        width: the width of the frame, in pixels.
        region: the region of the frame to translate.
        source: the pixels of the region, uint8 `[S, S, C]`.
        is_shown: whether the region shows what is to be translated, such as a face.
        frame: the whole frame, uint8 `[H, W, C]`, if results are pasted into their frames.
        result: the translation, uint8 `[S, S, C]`; None until it is made.
    """

    pts: int
    duration: int
    height: int
    width: int
    region: Region
    is_shown: bool
    source: np.ndarray
    frame: np.ndarray | None
    result: np.ndarray | None = None


class Work:
    """The steps that translate a video."""

    def __init__(self, output: Output, translator: Translator, cropper: Cropper, smooth: float) -> None:
        self._output = output
        self._translator = translator
        self._cropper = cropper
        self._smooth = smooth

    def translate(self, job: Job) -> str:
        """Translates a video.

        Returns:
            A text about the parts that could not be read and are missing; "" if there are none.

        Raises:
            NoFaceError: No frame shows a face, and such videos are to be skipped.
            VideoError: The video cannot be read at all, or its translation cannot be encoded.
            RunError: The result cannot be written.
        """
        place = self._place(job.path)
        make_folder(job.target.parent)
        container = videos.CONTAINERS[job.target.suffix]
        with (
            Video(job.path, self._translator.channels) as video,
            replace_file(job.target) as temporary,
            Writer(temporary, container, video) as writer,
        ):
            for frame in _with_progress(self._frames(video, place), video, job.target.name):
                writer.write(frame)
        if writer.lost:
            _log.info("%s lacks %s of the sound tracks, which cannot be decoded.", shown(job.target), writer.lost)
        return video.damage

    def _place(self, path: str) -> Place:
        """Returns the function that finds the region to translate. For faces, this reads all frames beforehand."""
        if not self._cropper.detector:
            return lambda pixels, _: (self._cropper.find(pixels)[0], True)
        followed = FacePath.through(self._faces(path))
        if followed:
            margin = self._cropper.face_margin
            return lambda pixels, time: (
                crops.around(followed.at(time), margin, *pixels.shape[:2]),
                followed.is_near(time),
            )
        if self._cropper.no_face == "skip":
            raise NoFaceError("no face found in any frame")
        center = dataclasses.replace(self._cropper, crop="center", detector=None)
        return lambda pixels, _: (center.find(pixels)[0], True)

    def _faces(self, path: str) -> Iterator[tuple[float, Face | None]]:
        """Yields the time of each frame in seconds, and its largest face."""
        with Video(path, self._translator.channels) as video:

            def largest_face(frame: Frame) -> tuple[float, Face | None]:
                return float(frame.pts * video.time_base), self._cropper.detector.largest(frame.pixels)

            found = parallel.in_order(largest_face, video.frames(), _THREADS)
            yield from _with_progress(found, video, f"faces in {Path(path).name}")

    def _frames(self, video: Video, place: Place) -> Iterator[Frame]:
        """Returns the frames of the result."""

        def cut(frame: Frame) -> Shot:
            region, is_shown = place(frame.pixels, float(frame.pts * video.time_base))
            source = crops.cut(frame.pixels, region, self._translator.size)
            whole = frame.pixels if self._output.paste_back else None
            return Shot(frame.pts, frame.duration, *frame.pixels.shape[:2], region, is_shown, source, whole)

        shots = self._translated(parallel.in_order(cut, video.frames(), _THREADS))
        if self._smooth:
            shots = self._smoothed(shots, video)
        if self._output.original_size and not self._output.paste_back:
            shots = _of_one_size(shots)
        return parallel.in_order(self._finish, shots, _THREADS)

    def _translated(self, shots: Iterator[Shot]) -> Iterator[Shot]:
        """Yields the shots with their translations, which are computed in batches."""
        for batch in parallel.in_batches(shots, _BATCH_SIZE):
            results = self._translator(np.stack([shot.source for shot in batch]))
            for shot, result in zip(batch, results, strict=True):
                yield dataclasses.replace(shot, result=result)

    def _smoothed(self, shots: Iterable[Shot], video: Video) -> Iterator[Shot]:
        smoothing = Smoothing(self._smooth)
        before = 0
        for shot in shots:
            elapsed = float((shot.pts - before) * video.time_base)
            before = shot.pts
            yield dataclasses.replace(shot, result=smoothing(shot.source, shot.result, elapsed))

    def _finish(self, shot: Shot) -> Frame:
        pixels = shot.result
        if shot.frame is not None:
            pixels = crops.pasted(pixels, shot.region, shot.frame) if shot.is_shown else shot.frame
        elif self._output.original_size:
            pixels = crops.enlarged(pixels, shot.region, shot.height, shot.width)
        return Frame(pixels, shot.pts, shot.duration)


def _of_one_size(shots: Iterable[Shot]) -> Iterator[Shot]:
    """Yields the shots with the region of the first: a face grows and shrinks, but a video's frames have one size."""
    first = None
    for shot in shots:
        first = first or shot.region
        yield dataclasses.replace(shot, region=first)


def _with_progress(items: Iterable[Item], video: Video, name: str) -> Iterator[Item]:
    """Yields the items and shows a progress bar; raises a VideoError if there are none."""
    count = 0
    for count, item in enumerate(tqdm(items, name, video.frame_count, unit="frame", disable=None), 1):  # noqa: B007
        yield item
    if not count:
        raise VideoError(f"{shown(video.path)}: no frame can be decoded")
