"""Opens datasets that are folders of image files, and lists files in folders."""

import logging
import os
from collections.abc import Callable
from pathlib import Path, PurePath

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import images
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.errors import shown
from ugatit_tf.system.files import unique_names

_log = logging.getLogger(__name__)


def open_split(config: Config, split: str) -> ImageSet:
    """Opens the images of `<dataset_dir>/<dataset>/<split>` and its subfolders."""
    return open_folder(Path(config.dataset_dir) / config.dataset / split, config.img_ch)


def open_folder(folder: Path, channels: int) -> ImageSet:
    """Opens the images of a folder and its subfolders."""
    paths, others = list_images(folder)

    def read(index: int, side: int | None) -> np.ndarray:
        return images.load(f"{folder}/{paths[index]}", side, channels)

    def size(index: int) -> tuple[int, int] | None:
        return images.size_of(f"{folder}/{paths[index]}")

    lack = "no images" if _identity(folder) else "no such folder"
    return ImageSet(str(folder), unique_names(paths), read, size, len(others), lack)


def list_images(folder: Path) -> tuple[list[str], list[str]]:
    """Lists the images of a folder as `list_files` does. A file is an image by its ending, or else by its content."""
    return list_files(folder, is_image)


def is_image(path: str) -> bool:
    """Returns whether a file counts as an image: by its ending, or else by its first bytes."""
    return suffix_of(path) in images.EXTENSIONS or images.is_image(path)


def suffix_of(path: str) -> str:
    """Returns the ending of a path in lower case, such as ".png"; "" if it has none."""
    _, dot, ending = path[path.rfind("/") + 1 :].rpartition(".")
    return f"{dot}{ending}".lower() if dot else ""


def list_files(folder: Path, is_wanted: Callable[[str], bool]) -> tuple[list[str], list[str]]:
    """Lists files at any depth of a folder, as paths relative to it, in a fixed order.

    It follows links to folders, but enters no folder twice. The log names each folder that it leaves out.

    Args:
        folder: the folder to search.
        is_wanted: returns whether a file is wanted, from its path. Hidden files are never wanted.

    Returns:
        The wanted files and the other files.
    """
    paths: list[str] = []  # strings, because a hundred thousand Path objects take seconds
    others: list[str] = []
    top = folder.absolute()
    known = {_identity(place) for place in (top, *top.resolve().parents)}
    for parent, folders, names in os.walk(folder, onerror=_log_error, followlinks=True):
        folders[:] = [name for name in sorted(folders) if name[0] != "." and _is_new(Path(parent, name), known)]
        inside = PurePath(parent).relative_to(folder).as_posix()  # "." is the folder itself
        for name in sorted(names):
            is_kept = name[0] != "." and is_wanted(f"{parent}/{name}")
            (paths if is_kept else others).append(name if inside == "." else f"{inside}/{name}")
    return paths, others


def _log_error(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        _log.warning("Skipping a folder: %s: %s", shown(error.filename), error.strerror)


def _is_new(folder: Path, known: set[tuple[int, int] | None]) -> bool:
    """Adds a folder to the known ones; returns False if it was known: a link may lead to any folder, even above."""
    identity = _identity(folder)
    if identity and identity in known:
        _log.warning("Skipping a folder: %s: the same as another, by way of a link", shown(folder))
        return False
    known.add(identity)
    return True


def _identity(folder: Path) -> tuple[int, int] | None:
    """Returns the numbers by which the system knows a folder, whatever its path; None if there is no such folder."""
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
