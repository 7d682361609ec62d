"""Following a face through a video, so that the crop neither trembles nor jumps."""

from array import array
from collections.abc import Iterable
from typing import Self

import numpy as np

from ugatit_tf.data.faces import Face

_MEDIAN = 5  # frames: a face that is found elsewhere in one or two of them is passed over
_SIGMA = 0.15  # seconds, of the Gaussian that weights the frames before and after
_GAP = 0.5  # seconds
_REACH = 3.0  # in sigmas: how far away a frame still counts


class FacePath:
    """Where a face is at any time of a video.

    Middle, size and angle are each the median over five frames, then the mean over those within 0.45 s before and
    after, weighted by a Gaussian of 0.15 s. In between, as where frames show no face, they change evenly; before the
    first and after the last frame with a face they stay as they are there.

    Args:
        found: what was found, float64 `[N, 5]` with N at least 1, by time: that in seconds, then `Face`'s attributes.
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
        """The path through what was found at each time in seconds; None where that was nothing at all."""
        numbers = array("d")  # of a long video, objects would add up
        for time, face in faces:
            if face:
                numbers.extend((time, face.x, face.y, face.size, face.angle))
        return cls(np.reshape(numbers, (-1, 5))) if numbers else None

    def is_near(self, time: float) -> bool:
        """Whether a face was found within half a second of a time in seconds; farther away it is gone, not missed."""
        index = np.searchsorted(self._times, time)
        return bool((np.abs(self._times[max(0, index - 1) : index + 1] - time) <= _GAP).any())

    def at(self, time: float) -> Face:
        """The face at a time in seconds."""
        return Face(*(float(np.interp(time, self._times, column)) for column in self._columns))

    def _mean_around(self, time: float, values: np.ndarray) -> np.ndarray:
        first, last = np.searchsorted(self._times, [time - _REACH * _SIGMA, time + _REACH * _SIGMA])
        weights = np.exp(-np.square((self._times[first:last] - time) / _SIGMA) / 2)
        return weights @ values[first:last] / weights.sum()
