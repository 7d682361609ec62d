"""Datasets that are folders of image files."""

import logging
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import images
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.errors import shown
from ugatit_tf.system.names import unique_names

_log = logging.getLogger(__name__)


def open_split(config: Config, split: str) -> ImageSet:
    """The images of `<dataset_dir>/<dataset>/<split>`, in subfolders too."""
    return open_folder(Path(config.dataset_dir) / config.dataset / split, config.img_ch)


def open_folder(folder: Path, channels: int) -> ImageSet:
    """The images of a folder, in subfolders too."""
    paths, skipped = list_images(folder)

    def read(index: int, side: int | None) -> np.ndarray:
        return images.load(f"{folder}/{paths[index]}", side, channels)

    lack = "no images" if _identity(folder) else "no such folder"
    return ImageSet(str(folder), unique_names(paths), read, skipped, lack)


def list_images(folder: Path) -> tuple[list[str], int]:
    """Image files, as `list_files` finds them."""
    return list_files(folder, images.EXTENSIONS)


def list_files(folder: Path, endings: Collection[str]) -> tuple[list[str], int]:
    """Files of some endings at any depth, relative to a folder, in a fixed order; and the number of other files.

    Links to folders are followed, but none is gone through twice. A folder left out is named in the log.

    Args:
        folder: to look in.
        endings: of the names, in lower case, such as ".png".
    """
    paths: list[str] = []  # not Path: of a hundred thousand, those take seconds
    skipped = 0
    top = folder.absolute()
    known = {_identity(place) for place in (top, *top.resolve().parents)}
    for parent, folders, names in os.walk(folder, onerror=_tell, followlinks=True):
        folders[:] = [name for name in sorted(folders) if name[0] != "." and _is_new(Path(parent, name), known)]
        inside = parent[len(str(folder)) + 1 :]
        for name in sorted(names):
            _, dot, ending = name.rpartition(".")
            if name[0] == "." or f"{dot}{ending}".lower() not in endings:
                skipped += 1
            else:
                paths.append(f"{inside}/{name}" if inside else name)
    return paths, skipped


def _tell(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        _log.warning("Skipping a folder: %s: %s", shown(error.filename), error.strerror)


def _is_new(folder: Path, known: set[tuple[int, int] | None]) -> bool:
    """Whether a folder was not met before, neither inside nor above: a link may lead anywhere."""
    identity = _identity(folder)
    if identity and identity in known:
        _log.warning("Skipping a folder: %s: the same as another, by way of a link", shown(folder))
        return False
    known.add(identity)
    return True


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
