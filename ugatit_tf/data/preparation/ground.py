"""Measures how much of a square is ground, and how large the drawing or head on an even ground is."""

import numpy as np

from ugatit_tf.data import images

_SIDE = 64
_BORDER = 2  # pixels along each edge whose median is the ground's colour
_NEAR = 24  # levels that a pixel of the ground may differ from it in each channel
_EVEN = 0.6  # of the border must be ground: heads reach the lower edge
_LEAST_PIXELS = 2  # of the content in a row or column; less is noise


def measure(square: np.ndarray) -> tuple[float, float | None]:
    """Measures the ground of a square.

    Args:
        square: uint8 `[S, S, C]`.

    Returns:
        The share of pixels like the border's colour, and the larger side of the rest's bounding box as a share of the
        square's side. The latter is None where the border shows a scene, which has no ground.
    """
    small = images.with_channels(images.resize(square, _SIDE), 3).astype(np.int16)
    border = np.ones((_SIDE, _SIDE), bool)
    border[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    ground = np.abs(small - np.median(small[border], axis=0)).max(-1) <= _NEAR
    share = float(ground.mean())
    if ground[border].mean() < _EVEN:
        return share, None
    extents = (np.flatnonzero((~ground).sum(axis) >= _LEAST_PIXELS) for axis in (0, 1))
    return share, max(float(np.ptp(places) + 1) / _SIDE if len(places) else 0.0 for places in extents)
