"""Translates videos frame by frame, and keeps their times and their sound.

The frames pass through a chain of generators in small batches, so that memory does not grow with a video's length.
"""

import dataclasses
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from ugatit_tf.data import crops, parallel, videos
from ugatit_tf.data.crops import Cropper, NoFaceError
from ugatit_tf.data.faces.mask import steadied
from ugatit_tf.data.regions import Region
from ugatit_tf.data.videos import VideoError
from ugatit_tf.data.videos.reader import Frame, Video
from ugatit_tf.data.videos.writer import Writer
from ugatit_tf.errors import shown
from ugatit_tf.inference import Translator, following
from ugatit_tf.inference.following import FacePath
from ugatit_tf.inference.jobs import Files, Job, Output
from ugatit_tf.inference.smoothing import Smoothing
from ugatit_tf.system.files import make_folder, replace_file

_log = logging.getLogger(__name__)

_BATCH_SIZE = 8
_LEVELS = 2  # of the detector, for all faces of a frame: it finds those of a twelfth of the frame or more
_THREADS = 4  # for each of the steps; more threads would only hold more frames in memory

Item = TypeVar("Item")
# Maps a frame, uint8 `[H, W, C]`, and its time in seconds to the regions to translate. Each comes with a number, which
# stays the same through the video, and with whether it shows a face.
Place = Callable[[np.ndarray, float], list[tuple[int, Region, bool]]]


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
    made_by = f"{translator.identity} {translator.size} {cropper} {smooth}"
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
class Part:
    """A region of a frame, and its translation once that is made.

    Attributes:
        number: the number of the region, which stays the same through the video.
        region: the region of the frame to translate.
        is_shown: whether the region shows what is to be translated, such as a face.
        source: the pixels of the region, uint8 `[S, S, C]`.
        mask: the mask of a person in the region, float32 `[M, M]`; None if there is none.
        result: the translation, uint8 `[S, S, C]`; None until it is made.
    """

    number: int
    region: Region
    is_shown: bool
    source: np.ndarray
    mask: np.ndarray | None = None
    result: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Shot:
    """A frame, and the parts of it that are translated.

    Attributes:
        pts: the time at which the frame is shown, in units of the video's `time_base`.
        duration: how long the frame is shown, in units of `time_base`.
        height: the height of the frame, in pixels.
        width: the width of the frame, in pixels.
        parts: the parts.
        frame: the whole frame, uint8 `[H, W, C]`, if results are pasted into their frames.
    """

    pts: int
    duration: int
    height: int
    width: int
    parts: tuple[Part, ...]
    frame: np.ndarray | None


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
        """Returns the function that finds the regions to translate. For faces, this reads all frames beforehand."""
        if not self._cropper.detector:
            return lambda pixels, _: [(0, self._cropper.find(pixels)[0], True)]
        if self._output.all_faces and self._output.paste_back:
            faces = following.paths(self._found(path, self._all_faces))
            if faces:
                return lambda _, time: [
                    (number, face.at(time), True) for number, face in enumerate(faces) if face.is_near(time)
                ]
        else:
            followed = FacePath.through(self._found(path, self._largest_face))
            if followed:
                return lambda _, time: [(0, followed.at(time), followed.is_near(time))]
        if self._cropper.no_face == "skip":
            raise NoFaceError("no face found in any frame")
        center = dataclasses.replace(self._cropper, crop="center", detector=None)
        return lambda pixels, _: [(0, center.find(pixels)[0], True)]

    def _largest_face(self, pixels: np.ndarray) -> Region | None:
        face = self._cropper.detector.largest(pixels)
        return self._cropper.around(face) if face else None

    def _all_faces(self, pixels: np.ndarray) -> list[Region]:
        return [self._cropper.around(face) for face in self._cropper.detector.all(pixels, _LEVELS)]

    def _found(self, path: str, find: Callable[[np.ndarray], Item]) -> Iterator[tuple[float, Item]]:
        """Yields the time of each frame in seconds, and what a function finds in the frame."""
        with Video(path, self._translator.channels) as video:

            def timed(frame: Frame) -> tuple[float, Item]:
                return float(frame.pts * video.time_base), find(frame.pixels)

            found = parallel.in_order(timed, video.frames(), _THREADS)
            yield from _with_progress(found, video, f"faces in {Path(path).name}")

    def _frames(self, video: Video, place: Place) -> Iterator[Frame]:
        """Returns the frames of the result."""

        def cut(frame: Frame) -> Shot:
            found = place(frame.pixels, float(frame.pts * video.time_base))
            parts = tuple(self._part(frame.pixels, *each) for each in found)
            whole = frame.pixels if self._output.paste_back else None
            return Shot(frame.pts, frame.duration, *frame.pixels.shape[:2], parts, whole)

        shots = parallel.in_order(cut, video.frames(), _THREADS)
        if self._cropper.mask:
            shots = self._masked(shots)
        shots = self._translated(shots)
        if self._smooth:
            shots = self._smoothed(shots, video)
        if self._output.original_size and not self._output.paste_back:
            shots = _of_one_size(shots)
        return parallel.in_order(self._finish, shots, _THREADS)

    def _part(self, pixels: np.ndarray, number: int, region: Region, is_shown: bool) -> Part:
        if not self._cropper.mask:
            return Part(number, region, is_shown, crops.cut(pixels, region, self._translator.size))
        return Part(number, region, is_shown, *self._cropper.masked(pixels, region, self._translator.size))

    def _masked(self, shots: Iterable[Shot]) -> Iterator[Shot]:
        """Yields the shots with masks that are steady over time, and with sources on their background."""
        last: dict[int, np.ndarray] = {}
        size = self._translator.size
        for shot in shots:
            parts = []
            for part in shot.parts:
                mask = steadied(part.mask, last.get(part.number))
                parts.append(
                    dataclasses.replace(part, mask=mask, source=self._cropper.on_background(part.source, mask, size))
                )
            last = {part.number: part.mask for part in parts}
            yield dataclasses.replace(shot, parts=tuple(parts))

    def _translated(self, shots: Iterable[Shot]) -> Iterator[Shot]:
        """Yields the shots with their translations, which are computed in batches."""
        for batch in parallel.in_batches(shots, _BATCH_SIZE):
            sources = [part.source for shot in batch for part in shot.parts]
            results = iter(self._translator(np.stack(sources)) if sources else ())
            for shot in batch:
                parts = tuple(dataclasses.replace(part, result=next(results)) for part in shot.parts)
                yield dataclasses.replace(shot, parts=parts)

    def _smoothed(self, shots: Iterable[Shot], video: Video) -> Iterator[Shot]:
        smoothings: dict[int, Smoothing] = defaultdict(lambda: Smoothing(self._smooth))
        before: dict[int, int] = defaultdict(int)
        for shot in shots:
            parts = []
            for part in shot.parts:
                elapsed = float((shot.pts - before[part.number]) * video.time_base)
                before[part.number] = shot.pts
                result = smoothings[part.number](part.source, part.result, elapsed)
                parts.append(dataclasses.replace(part, result=result))
            yield dataclasses.replace(shot, parts=tuple(parts))

    def _finish(self, shot: Shot) -> Frame:
        if shot.frame is not None:
            return Frame(_pasted(shot), shot.pts, shot.duration)
        (part,) = shot.parts
        pixels = part.result
        if self._output.original_size:
            pixels = crops.enlarged(pixels, part.region, shot.height, shot.width)
        return Frame(pixels, shot.pts, shot.duration)


def _pasted(shot: Shot) -> np.ndarray:
    """Returns a frame with the translations of its parts; parts that show nothing to translate are left out."""
    parts = [part for part in shot.parts if part.is_shown]
    pixels = shot.frame
    for part in parts:
        others = [other.region for other in parts if other is not part]
        pixels = crops.pasted(part.result, part.region, pixels, crops.joined(part.mask, part.region, others))
    return pixels


def _of_one_size(shots: Iterable[Shot]) -> Iterator[Shot]:
    """Yields the shots with the region of the first: a face grows and shrinks, but a video's frames have one size."""
    first = None
    for shot in shots:
        (part,) = shot.parts
        first = first or part.region
        yield dataclasses.replace(shot, parts=(dataclasses.replace(part, region=first),))


def _with_progress(items: Iterable[Item], video: Video, name: str) -> Iterator[Item]:
    """Yields the items and shows a progress bar; raises a VideoError if there are none."""
    count = 0
    for count, item in enumerate(tqdm(items, name, video.frame_count, unit="frame", disable=None), 1):  # noqa: B007
        yield item
    if not count:
        raise VideoError(f"{shown(video.path)}: no frame can be decoded")
