"""Finds what is drawn on a plain ground: the square around all that differs from the colour of the picture's border."""

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.data.regions import Region

_SEARCHED = 256  # pixels: the longer side of the picture that is searched
_DIFFERENT = 24  # levels of red, green or blue by which content differs from the ground
_LEAST_PART = 0.01  # of a row or column that must differ: a speck is no content


def around_content(picture: np.ndarray, share: float) -> Region | None:
    """Returns the square around the content of a picture, with the ground's colour beyond the picture.

    Args:
        picture: uint8 `[H, W, C]`.
        share: the longer side of the content as a share of the square's side, more than 0 and at most 1.

    Returns:
        None if nothing differs from the ground.
    """
    rgb = images.to_picture(images.with_channels(picture, 3))
    factor = max(1, max(rgb.size) // _SEARCHED)
    small = images.to_pixels(rgb.reduce(factor)).astype(np.int16)
    border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
    ground = np.median(border, axis=0)
    differs = np.abs(small - ground).max(-1) > _DIFFERENT
    rows, columns = (np.flatnonzero(differs.mean(axis) > _LEAST_PART) for axis in (1, 0))
    if not (rows.size and columns.size):
        return None
    top, bottom = rows[0] * factor, min((rows[-1] + 1) * factor, rgb.height)
    left, right = columns[0] * factor, min((columns[-1] + 1) * factor, rgb.width)
    side = max(bottom - top, right - left) / share
    colour = "#" + "".join(f"{round(float(value)):02x}" for value in ground)
    return Region((left + right) / 2, (top + bottom) / 2, side, side, beyond=colour, is_exact=True)
