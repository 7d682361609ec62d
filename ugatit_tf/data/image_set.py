"""A set of images, read one by one: what every source of data gives."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """The images of one split, read one by one.

    Attributes:
        place: where they come from, for messages.
        names: one a picture, unique, without folder and ending.
        read: index and side in pixels to uint8 `[side, side, img_ch]`, or, for a side of None, the picture as it is,
            uint8 `[H, W, img_ch]`; raises `images.UnreadableImageError`.
        skipped: files that are hidden or no images.
        lack: what is missing where there are no images.
    """

    place: str
    names: tuple[str, ...]
    read: Callable[[int, int | None], np.ndarray]
    skipped: int = 0
    lack: str = "no images"

    def __len__(self) -> int:
        return len(self.names)
