"""Follows a face through a video and smooths its path, so that the crop neither trembles nor jumps."""

from array import array
from collections.abc import Iterable
from typing import Self

import numpy as np

from ugatit_tf.data.faces import Face

_MEDIAN = 5  # frames: the median ignores a detection that is wrong in one or two of them
_SIGMA = 0.15  # seconds: the width of the Gaussian that weights the frames before and after
_GAP = 0.5  # seconds without a detection, after which the face counts as gone
_REACH = 3.0  # in sigmas: frames farther away get no weight


class FacePath:
    """The position, size and angle of a face at any time of a video.

    Each value is the median over five detections, then the mean over those within 0.45 s before and after, weighted by
    a Gaussian with a sigma of 0.15 s. Between detections the values are interpolated linearly. Before the first and
    after the last detection they are constant.

    Args:
        found: the detections in the order of time, float64 `[N, 5]`, N at least 1: the time in seconds, then the
            attributes of `Face`.
    """

    def __init__(self, found: np.ndarray) -> None:
        self._times, values = found[:, 0], found[:, 1:]
        half = _MEDIAN // 2
        padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
        medians = np.median(np.lib.stride_tricks.sliding_window_view(padded, _MEDIAN, axis=0), axis=-1)
        means = np.stack([self._mean_around(time, medians) for time in self._times])
        self._columns = np.ascontiguousarray(means.T)

    @classmethod
    def through(cls, faces: Iterable[tuple[float, Face | None]]) -> Self | None:
        """Returns the path through the detections, each with its time in seconds; None if no frame shows a face."""
        numbers = array("d")  # a flat array: objects for each frame of a long video would take much memory
        for time, face in faces:
            if face:
                numbers.extend((time, face.x, face.y, face.size, face.angle))
        return cls(np.reshape(numbers, (-1, 5))) if numbers else None

    def is_near(self, time: float) -> bool:
        """Returns whether a face was found within half a second of a time in seconds."""
        index = np.searchsorted(self._times, time)
        return bool((np.abs(self._times[max(0, index - 1) : index + 1] - time) <= _GAP).any())

    def at(self, time: float) -> Face:
        """Returns the face at a time in seconds."""
        return Face(*(float(np.interp(time, self._times, column)) for column in self._columns))

    def _mean_around(self, time: float, values: np.ndarray) -> np.ndarray:
        first, last = np.searchsorted(self._times, [time - _REACH * _SIGMA, time + _REACH * _SIGMA])
        weights = np.exp(-np.square((self._times[first:last] - time) / _SIGMA) / 2)
        return weights @ values[first:last] / weights.sum()
