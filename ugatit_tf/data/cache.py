"""Keeps decoded images, so that each file is decoded once a run, and skips images that cannot be read."""

import errno
import itertools
import logging
import math
import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.errors import RunError
from ugatit_tf.system import share

_log = logging.getLogger(__name__)

_TOLERATED = 0.05  # the share of unreadable images that a run accepts
_ALWAYS_TOLERATED = 3  # unreadable images that any set may have, also a small one
_NAMED = 3  # unreadable images that the error names


class ImageCache:
    """The images of a set at one size. The first request for an image decodes it; the cache then keeps it as uint8.

    If an image cannot be read, the log names it once and counts it, and the next image takes its place. `read` raises
    an error if more than 5 %, and more than three, of the images cannot be read. The cache never reads a kept image
    again, so its file may be deleted during the run.

    Args:
        image_set: the images to read.
        side: the side of the square images in pixels.
        channels: the number of channels of the images.
        folder: the folder of the file that keeps the images; the file is deleted with this object. None keeps the
            images in memory.

    Attributes:
        shape: the shape of an image, `(side, side, channels)`.
        failure: the error that `read` raised, or None. tf.data calls `read` in a thread of its own, and replaces the
            error by one of TensorFlow's; the training raises this one instead.
    """

    def __init__(self, image_set: ImageSet, side: int, channels: int, folder: Path | None) -> None:
        self.shape = (side, side, channels)
        self.failure: RunError | None = None
        self._image_set = image_set
        in_memory = folder is None
        self._images = (
            np.empty((len(image_set), *self.shape), np.uint8) if in_memory else _ImageFile(self.shape, folder)
        )
        self._kept = np.zeros(len(image_set), bool)
        self._unreadable: dict[int, str] = {}
        self._full = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._image_set)

    def read(self, index: int) -> np.ndarray:
        """Returns an image, uint8 `[side, side, channels]`. Several threads may call this at once.

        Args:
            index: the image's index in the set.

        Raises:
            RunError: Too many images of the set, or all, cannot be read.
        """
        for candidate in itertools.chain(range(index, len(self)), range(index)):
            if self._kept[candidate]:
                return self._images[candidate]
            if candidate not in self._unreadable:
                try:
                    image = self._image_set.read(candidate, self.shape[0])
                except UnreadableImageError as error:
                    self._count_unreadable(candidate, str(error))
                else:
                    self._keep(candidate, image)
                    return image
        raise self._new_failure(f"None of the {len(self)} images in {self._image_set.place} can be read.")

    def _keep(self, index: int, image: np.ndarray) -> None:
        try:
            self._images[index] = image
        except OSError as error:
            if not self._full:
                _log.warning("Cannot keep decoded images (%s): files are decoded again in each epoch.", error.strerror)
            self._full = True
        else:
            self._kept[index] = True

    def _count_unreadable(self, index: int, reason: str) -> None:
        """Logs an unreadable image; raises a RunError if there are too many."""
        with self._lock:
            if index in self._unreadable:
                return
            self._unreadable[index] = reason
            count = len(self._unreadable)
        _log.warning("Skipping an image, %d of %d so far: %s", count, len(self), reason)
        if count > max(_ALWAYS_TOLERATED, _TOLERATED * len(self)):
            examples = "; ".join(list(self._unreadable.values())[:_NAMED])
            raise self._new_failure(
                f"{count} of the {len(self)} images in {self._image_set.place} cannot be read, which is more than "
                f"{_TOLERATED:.0%}: {examples}; ..."
            )

    def _new_failure(self, reason: str) -> RunError:
        self.failure = RunError(reason)
        return self.failure


def open_caches(image_sets: Sequence[ImageSet], side: int, channels: int, folder: Path) -> tuple[ImageCache, ...]:
    """Opens a cache for each image set: in memory, or in files if all need more than a quarter of the free memory.

    Args:
        image_sets: the sets of images.
        side: the side of the square images in pixels.
        channels: the number of channels of the images.
        folder: the folder of the files; it is made if it is needed.

    Raises:
        RunError: The files cannot be made, or the disk has too little free space.
    """
    size = sum(len(image_set) for image_set in image_sets) * side * side * channels
    if size <= share.available_memory() // 4:
        return tuple(ImageCache(image_set, side, channels, None) for image_set in image_sets)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < size:
            raise RunError(
                f"The decoded images need {size / 1e9:.1f} GB; --cache_dir {folder} has {free / 1e9:.1f} GB free."
            )
        return tuple(ImageCache(image_set, side, channels, folder) for image_set in image_sets)
    except OSError as error:
        raise RunError(f"Cannot keep decoded images in --cache_dir {folder}: {error.strerror}.") from error


class _ImageFile:
    """Images in a file, by index: uint8 `[side, side, channels]` each.

    The file is not mapped into memory: mapped pages count as this process's memory, and a write to them kills the
    process if the disk is full. The file has no name, so the system deletes it however the process ends.
    """

    def __init__(self, shape: tuple[int, ...], folder: Path) -> None:
        self._shape = shape
        self._size = math.prod(shape)
        # The file stays open as long as this object lives.
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        # Windows cannot read at a given position (`os.pread`), so threads share the file's position under a lock.
        self._lock = threading.Lock()

    def __getitem__(self, index: int) -> np.ndarray:
        with self._lock:
            self._file.seek(index * self._size)
            data = self._file.read(self._size)
        return np.frombuffer(data, np.uint8).reshape(self._shape)

    def __setitem__(self, index: int, image: np.ndarray) -> None:
        with self._lock:
            self._file.seek(index * self._size)
            written = self._file.write(np.ascontiguousarray(image))
        if written < self._size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
