"""Translation of videos: frame by frame, with their times and their sound, in memory that does not grow with length."""

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
_THREADS = 4  # at each of the steps; more would only hold more frames in memory

Item = TypeVar("Item")
# The region of a frame, uint8 `[H, W, C]`, at a time in seconds; and whether it shows what is to be translated.
Place = Callable[[np.ndarray, float], tuple[Region, bool]]


def translate(files: Files, translator: Translator, cropper: Cropper, *, smooth: float) -> None:
    """Translates videos; what an earlier run made of the same file, in the same way, is left.

    Args:
        files: the videos; what becomes of them is noted there, and printed.
        translator: makes the translations.
        cropper: makes the frames square.
        smooth: seconds, the time constant of `Smoothing`; 0: none.

    Raises:
        RunError: where a result cannot be written.
    """
    if not videos.is_installed():
        files.fail_all(f"they take PyAV: {videos.INSTALL}")
        return
    work = Work(files.output, translator, cropper, smooth)
    made_by = f"{translator.identity} {translator.size} {dataclasses.replace(cropper, detector=None)} {smooth}"
    for job in files.left(made_by, videos.result_ending):
        try:
            damage = work.translate(job)
        except VideoError as error:
            files.problems.append(str(error))
            continue
        except NoFaceError as error:
            files.problems.append(f"{shown(job.path)}: {error}")
            continue
        files.note(job)
        files.written += 1
        if damage:
            files.partly.append(f"{shown(job.path)}: {damage}")
    files.report()


@dataclasses.dataclass(frozen=True)
class Shot:
    """A frame on its way.

    Attributes:
        pts: when it is shown, in units of the video's `time_base`.
        duration: for how long, likewise.
        height: of the frame, in pixels.
        width: likewise.
        region: of the frame, that is translated.
        source: that region, uint8 `[S, S, C]`.
        is_shown: whether the region shows what is to be translated, such as a face.
        frame: all of it, uint8 `[H, W, C]`, where results are put back into their frames.
        result: the translation, uint8 `[S, S, C]`, once it is made.
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
    """The steps from a video's file to its translation's."""

    def __init__(self, output: Output, translator: Translator, cropper: Cropper, smooth: float) -> None:
        self._output = output
        self._translator = translator
        self._cropper = cropper
        self._smooth = smooth

    def translate(self, job: Job) -> str:
        """Translates a video.

        Returns:
            What of it could not be read, and is left out; "" where nothing.

        Raises:
            NoFaceError: where no frame shows a face and such videos are to be skipped.
            VideoError: where the video cannot be read at all, or its translation not be encoded.
            RunError: where the result cannot be written.
        """
        place = self._place(job.path)
        make_folder(job.target.parent)
        container = videos.CONTAINERS[job.target.suffix]
        with (
            Video(job.path, self._translator.channels) as video,
            replace_file(job.target) as temporary,
            Writer(temporary, container, video) as writer,
        ):
            for frame in _counted(self._frames(video, place), video, job.target.name):
                writer.write(frame)
        if writer.lost:
            _log.info("%s lacks %s of the sound tracks, which cannot be decoded.", shown(job.target), writer.lost)
        return video.damage

    def _place(self, path: str) -> Place:
        """Where in each frame the region to translate is. For faces, that takes a look at all frames beforehand."""
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
        """The largest face at each time in seconds."""
        with Video(path, self._translator.channels) as video:

            def look(frame: Frame) -> tuple[float, Face | None]:
                return float(frame.pts * video.time_base), self._cropper.detector.largest(frame.pixels)

            found = parallel.in_order(look, video.frames(), _THREADS)
            yield from _counted(found, video, f"faces in {Path(path).name}")

    def _frames(self, video: Video, place: Place) -> Iterator[Frame]:
        """The result's frames."""

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
        """The same with their results, made in batches."""
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
    """The same as if the region of the first were that of all: a face's grows and shrinks, a video cannot."""
    first = None
    for shot in shots:
        first = first or shot.region
        yield dataclasses.replace(shot, region=first)


def _counted(items: Iterable[Item], video: Video, name: str) -> Iterator[Item]:
    """The same behind a progress bar; a VideoError where there is none."""
    count = 0
    for count, item in enumerate(tqdm(items, name, video.frame_count, unit="frame", disable=None), 1):  # noqa: B007
        yield item
    if not count:
        raise VideoError(f"{shown(video.path)}: no frame can be decoded")
