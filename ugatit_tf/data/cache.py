"""Decoded images, kept so that each file is read once."""

import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil

from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.data.sources import ImageSet
from ugatit_tf.errors import RunError

_log = logging.getLogger(__name__)


class ImageCache:
    """An image set at one size: every image is decoded when it is first asked for, and then kept as uint8.

    An image that cannot be read is named in the log once, and the next one takes its place.

    Args:
        image_set: where the images come from.
        side: of the square images, in pixels.
        channels: of the images.
        folder: keep the images in a file in this folder, that vanishes with the process; None keeps them in memory.

    Attributes:
        failure: what `read` raised, if it did; its caller may be a thread of tf.data, which hides the type.

    Raises:
        RunError: where the file cannot be made, or the disk is too small.
    """

    def __init__(self, image_set: ImageSet, side: int, channels: int, folder: Path | None) -> None:
        self.shape = (side, side, channels)
        self.failure: RunError | None = None
        self._image_set = image_set
        shape = (len(image_set), *self.shape)
        self._images = np.empty(shape, np.uint8) if folder is None else _file_array(shape, folder)
        self._decoded = np.zeros(len(image_set), bool)
        self._unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self._image_set)

    def read(self, index: int) -> np.ndarray:
        """The image `index`, uint8 `[side, side, channels]`.

        Raises:
            RunError: where no image of the set can be read.
        """
        for candidate in (*range(index, len(self)), *range(index)):
            if self._decoded[candidate] or self._decode(candidate):
                return self._images[candidate]
        self.failure = RunError(f"None of the {len(self)} images in {self._image_set.place} can be read.")
        raise self.failure

    def _decode(self, index: int) -> bool:
        if index in self._unreadable:
            return False
        try:
            self._images[index] = self._image_set.read(index, self.shape[0])
        except UnreadableImageError as error:
            self._unreadable.add(index)
            _log.warning("Skipping an image: %s", error)
            return False
        self._decoded[index] = True
        return True


def open_caches(image_sets: Sequence[ImageSet], side: int, channels: int, folder: Path) -> tuple[ImageCache, ...]:
    """Caches for several image sets: in memory, or in files where they would pass a quarter of the free memory.

    Args:
        image_sets: the sets.
        side: of the square images, in pixels.
        channels: of the images.
        folder: for the files; made if it is needed.
    """
    size = sum(len(image_set) for image_set in image_sets) * side * side * channels
    in_memory = size <= psutil.virtual_memory().available // 4
    return tuple(ImageCache(image_set, side, channels, None if in_memory else folder) for image_set in image_sets)


def _file_array(shape: tuple[int, ...], folder: Path) -> np.ndarray:
    size = int(np.prod(shape))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise RunError(
                f"The decoded images need {size / 1e9:.1f} GB; --cache_dir {folder} has {free / 1e9:.1f} GB free."
            )
        # The file has no name, so that nothing is left behind however the process ends.
        with tempfile.TemporaryFile(dir=folder) as file:
            return np.memmap(file, np.uint8, "w+", shape=shape)
    except OSError as error:
        raise RunError(f"Cannot keep decoded images in --cache_dir {folder}: {error.strerror}.") from error
