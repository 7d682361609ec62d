"""Cache of decoded images, so that each file is read once."""

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

_TOLERATED = 0.05  # of a set's images
_ALWAYS_TOLERATED = 3  # images, so that a set of a few does not stop at its first bad one
_NAMED = 3


class ImageCache:
    """An image set at one size: every image is decoded when it is first asked for, and then kept as uint8.

    An image that cannot be read, or no longer, is named and counted in the log once, and the next one takes its
    place. More than 5 % of them, where that is more than three, are too many. An image that is kept already is not
    read again: its file may vanish.

    Args:
        image_set: where the images come from.
        side: of the square images, in pixels.
        channels: of the images.
        folder: keep the images in a file in this folder, that vanishes with this object; None keeps them in memory.

    Attributes:
        failure: what `read` raised, if it did; its caller may be a thread of tf.data, which hides the type.
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
        """The image `index`, uint8 `[side, side, channels]`. May be called by several threads at once.

        Raises:
            RunError: where too many images of the set, or all, cannot be read.
        """
        for candidate in itertools.chain(range(index, len(self)), range(index)):
            if self._kept[candidate]:
                return self._images[candidate]
            if candidate not in self._unreadable:
                try:
                    image = self._image_set.read(candidate, self.shape[0])
                except UnreadableImageError as error:
                    self._note(candidate, str(error))
                else:
                    self._keep(candidate, image)
                    return image
        raise self._fail(f"None of the {len(self)} images in {self._image_set.place} can be read.")

    def _keep(self, index: int, image: np.ndarray) -> None:
        try:
            self._images[index] = image
        except OSError as error:
            if not self._full:
                _log.warning("Cannot keep decoded images (%s): files will be decoded again.", error.strerror)
            self._full = True
        else:
            self._kept[index] = True

    def _note(self, index: int, reason: str) -> None:
        """Counts an unreadable image; fails where they are too many."""
        with self._lock:
            if index in self._unreadable:
                return
            self._unreadable[index] = reason
            count = len(self._unreadable)
        _log.warning("Skipping an image, %d of %d so far: %s", count, len(self), reason)
        if count > max(_ALWAYS_TOLERATED, _TOLERATED * len(self)):
            examples = "; ".join(list(self._unreadable.values())[:_NAMED])
            raise self._fail(
                f"{count} of the {len(self)} images in {self._image_set.place} cannot be read, which is more than "
                f"{_TOLERATED:.0%}: {examples}; ..."
            )

    def _fail(self, reason: str) -> RunError:
        self.failure = RunError(reason)
        return self.failure


def open_caches(image_sets: Sequence[ImageSet], side: int, channels: int, folder: Path) -> tuple[ImageCache, ...]:
    """Opens caches for several image sets: in memory, or in files if they need more than a quarter of the free memory.

    Args:
        image_sets: the sets.
        side: of the square images, in pixels.
        channels: of the images.
        folder: for the files; made if it is needed.

    Raises:
        RunError: where the files cannot be made, or the disk is too small.
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

    Read and written, not mapped: mapped pages count as this process's memory, and should the disk be full, writing to
    them would kill it. The file has no name, so that nothing is left behind however the process ends.
    """

    def __init__(self, shape: tuple[int, ...], folder: Path) -> None:
        self._shape = shape
        self._size = math.prod(shape)
        # Open as long as this object is.
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        # Windows has no call that reads at a place (`os.pread`), so threads share the file's position.
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
