"""Averages translated frames over time, which reduces flicker and keeps movements sharp."""

import numpy as np
from PIL import Image, ImageFilter

from ugatit_tf.data import images

_TOLERANCE = 12.0  # levels of 255: inputs that differ by much more are not averaged
_BLUR = 1 / 64  # of the side: inputs are blurred by this before they are compared, against camera noise


class Smoothing:
    """An exponential moving average of a video's translations, for each pixel whose input stays similar.

    The inputs are averaged in the same way. Where a new input differs from that average, its translation replaces the
    average. Let x be an input, y its translation, X and Y their averages, and dt the time since the frame before. Let d
    be the difference of the blurred x and X, in levels of 255, as the mean over the channels. Then

        w = exp(-dt / seconds) exp(-(d / 12)^2)
        X = x + w (X - x)
        Y = y + w (Y - y)

    The first frame, and the first frame after a cut, are thus not changed.

    Args:
        seconds: the time constant; more than 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._source: np.ndarray | None = None
        self._result: np.ndarray | None = None

    def __call__(self, source: np.ndarray, result: np.ndarray, elapsed: float) -> np.ndarray:
        """Adds a frame to the average, and returns the average.

        Args:
            source: the input of the generator, uint8 `[S, S, C]`.
            result: the translation of `source`, uint8 `[S, S, C]`.
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
    """Returns a blurred image as float32."""
    picture: Image.Image = images.to_picture(levels)
    blur = ImageFilter.GaussianBlur(levels.shape[0] * _BLUR)
    return images.to_pixels(picture.filter(blur)).astype(np.float32)
