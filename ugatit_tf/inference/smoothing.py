"""Averaging of translated frames over time, which takes their flicker away and leaves movements sharp."""

import numpy as np
from PIL import Image, ImageFilter

from ugatit_tf.data import images

_TOLERANCE = 12.0  # levels of 255 by which inputs may differ and still be averaged, about
_BLUR = 1 / 64  # of the side: what is compared of inputs is blurred by so much, for the noise of cameras


class Smoothing:
    """An exponential moving average of a video's translations, pixel by pixel, where their inputs stay alike.

    The inputs are averaged in the same way. Where a new input differs from that average, the translation is taken as
    it is: with an input x, its translation y, their averages X and Y, the time dt since the frame before, and d the
    difference of x and X, both blurred, in levels of 255, as the mean over the channels,

        w = exp(-dt / seconds) exp(-(d / 12)^2)
        X = x + w (X - x)
        Y = y + w (Y - y)

    The first frame, and one after a cut, are thus left as they are.

    Args:
        seconds: the time constant; more than 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._source: np.ndarray | None = None
        self._result: np.ndarray | None = None

    def __call__(self, source: np.ndarray, result: np.ndarray, elapsed: float) -> np.ndarray:
        """The average that a frame's translation becomes.

        Args:
            source: what was translated, uint8 `[S, S, C]`.
            result: its translation, likewise.
            elapsed: seconds since the frame before.

        Returns:
            uint8 `[S, S, C]`.
        """
        x, y = source.astype(np.float32), result.astype(np.float32)
        if self._source is not None:
            difference = np.abs(_blurred(source) - _blurred(_to_levels(self._source))).mean(-1, keepdims=True)
            weight = np.exp(-elapsed / self._seconds) * np.exp(-np.square(difference / _TOLERANCE))
            x += weight * (self._source - x)
            y += weight * (self._result - y)
        self._source, self._result = x, y
        return _to_levels(y)


def _to_levels(values: np.ndarray) -> np.ndarray:
    return np.rint(values).astype(np.uint8)


def _blurred(levels: np.ndarray) -> np.ndarray:
    """Float32, of uint8."""
    picture: Image.Image = images.to_picture(levels)
    blur = ImageFilter.GaussianBlur(levels.shape[0] * _BLUR)
    return images.to_pixels(picture.filter(blur)).astype(np.float32)
