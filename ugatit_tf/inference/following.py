"""Follows faces through a video and smooths their paths, so that a crop neither trembles nor jumps."""

import dataclasses
import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from ugatit_tf.data.regions import Region

_MEDIAN = 5  # frames: the median ignores a detection that is wrong in one or two of them
_SIGMA = 0.15  # seconds: the width of the Gaussian that weights the frames before and after
_GAP = 0.5  # seconds without a detection, after which the face counts as gone
_REACH = 3.0  # in sigmas: frames farther away get no weight
_STEP = 0.4  # of a square's side: a face that is farther away in the next frame is another one
_LEAST_FRAMES = 3  # a path of fewer is most likely a false find


class FacePath:
    """The square around a face at any time of a video.

    Each value of the square is the median over five detections, then the mean over those within 0.45 s before and
    after, weighted by a Gaussian with a sigma of 0.15 s. Between detections the values are interpolated linearly.
    Before the first and after the last detection they are constant.

    Args:
        found: the squares in the order of time, float64 `[N, 5]`, N at least 1: the time in seconds, then x, y, side
            and angle of the `Region`.
        like: any of the regions; the path returns regions like it.
    """

    def __init__(self, found: np.ndarray, like: Region) -> None:
        self._like = like
        self._times, values = found[:, 0], found[:, 1:]
        half = _MEDIAN // 2
        padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
        medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=0), axis=-1)
        means = np.stack([self._mean_around(time, medians) for time in self._times])
        self._columns = np.ascontiguousarray(means.T)

    @classmethod
    def through(cls, regions: Iterable[tuple[float, Region | None]]) -> Self | None:
        """Returns the path through the squares, each with its time in seconds; None if no frame shows a face."""
        numbers = array("d")  # a flat array: objects for each frame of a long video would take much memory
        like = None
        for time, region in regions:
            if region:
                like = like or region
                numbers.extend((time, region.x, region.y, region.width, region.angle))
        return cls(np.reshape(numbers, (-1, 5)), like) if like else None

    def is_near(self, time: float) -> bool:
        """Returns whether a face was found within half a second of a time in seconds."""
        index = np.searchsorted(self._times, time)
        return bool((np.abs(self._times[max(0, index - 1) : index + 1] - time) <= _GAP).any())

    def at(self, time: float) -> Region:
        """Returns the square at a time in seconds."""
        x, y, side, angle = (float(np.interp(time, self._times, column)) for column in self._columns)
        return dataclasses.replace(self._like, x=x, y=y, width=side, height=side, angle=angle)

    def _mean_around(self, time: float, values: np.ndarray) -> np.ndarray:
        first, last = np.searchsorted(self._times, [time - _REACH * _SIGMA, time + _REACH * _SIGMA])
        weights = np.exp(-np.square((self._times[first:last] - time) / _SIGMA) / 2)
        return weights @ values[first:last] / weights.sum()


def paths(frames: Iterable[tuple[float, Sequence[Region]]]) -> list[FacePath]:
    """Returns the path of each face of a video.

    A face continues the path whose last square is nearest, if that is no farther away than 0.4 of its side, and no
    older than half a second; otherwise it begins a path.

    Args:
        frames: the time of each frame in seconds, in order, and the squares around its faces, the largest first.
    """
    tracks: list[_Track] = []
    count = 0
    for count, (time, regions) in enumerate(frames, 1):  # noqa: B007
        free = [track for track in tracks if time - track.time <= _GAP]
        for region in regions:
            nearest = min(free, key=lambda track, region=region: track.distance(region), default=None)
            if nearest and nearest.distance(region) <= _STEP:
                free.remove(nearest)
            else:
                nearest = _Track(region)
                tracks.append(nearest)
            nearest.add(time, region)
    least = min(_LEAST_FRAMES, count)
    return [track.path for track in tracks if track.length >= least]


class _Track:
    """The squares of one face so far. They are kept as numbers: objects for each frame would take much memory."""

    def __init__(self, first: Region) -> None:
        self._numbers = array("d")
        self._last = first
        self.time = 0.0

    def add(self, time: float, region: Region) -> None:
        self._numbers.extend((time, region.x, region.y, region.width, region.angle))
        self._last, self.time = region, time

    def distance(self, region: Region) -> float:
        """Returns how far a square is from the last one, in sides of the larger."""
        apart = math.dist((region.x, region.y), (self._last.x, self._last.y))
        return apart / max(region.width, self._last.width)

    @property
    def length(self) -> int:
        return len(self._numbers) // 5

    @property
    def path(self) -> FacePath:
        return FacePath(np.reshape(self._numbers, (-1, 5)), self._last)
