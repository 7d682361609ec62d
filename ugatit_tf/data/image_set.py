"""A set of images, read one by one. Every data source returns its splits in this form."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """The images of one split, read one by one.

    Attributes:
        place: where the images come from, for messages.
        names: a unique name for each image, without folder and ending.
        read: reads an image from its index and a side in pixels: uint8 `[side, side, img_ch]`. With None for the side,
            the image keeps its own size: uint8 `[H, W, img_ch]`. Raises `images.UnreadableImageError`.
        size: reads an image's width and height from its index, without decoding it; returns None if they cannot be
            read. It is None for sources that are no image files.
        skipped: the number of hidden files and of files that are no images.
        lack: what is missing if there are no images.
    """

    place: str
    names: tuple[str, ...]
    read: Callable[[int, int | None], np.ndarray]
    size: Callable[[int], tuple[int, int] | None] | None = None
    skipped: int = 0
    lack: str = "no images"

    def __len__(self) -> int:
        return len(self.names)
