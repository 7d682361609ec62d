"""Folders, names, locks, and atomic writes: a reader never meets half a file.

Every atomic write goes the same way (`_temporary` and `_publish`): the data is written under a hidden name beside the
target, is brought to the disk, and is then renamed. So neither a kill nor a power cut leaves half a file, nor the name
of an empty one. `write_atomically`, `replace_file`, `replace_folder` and `staged` are this for bytes, for one large
file, for a folder, and for several files that belong together.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock

from ugatit_tf.errors import RunError, reason

_WINDOWS = sys.platform == "win32"
# Windows refuses to rename over a file that another program reads at this moment, a virus scanner for instance.
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8) if _WINDOWS else ()  # seconds

_TEMPORARY = r"\.[0-9a-f]{32}\.(tmp|lock)"

_LONGEST_NAME = 240  # bytes: the limit is 255, and the file gets an ending too

_PATIENCE = 0.2  # seconds to wait for a lock, in which its former holder deletes the file
# Errors of file systems that have no locks, such as some network file systems.
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def stamp(path: str | Path) -> list[int] | None:
    """Returns a file's size and time of change, to detect later changes; None if the file cannot be read."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def stamp_all(path: Path) -> str:
    """Returns the names and stamps of a file, or of all files in a folder, as one text."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return f"{[(file.name, stamp(file)) for file in files]}"


def overlap(one: Path, other: Path) -> bool:
    """Returns whether two paths are the same place, or one is inside the other; links are followed."""
    one, other = one.resolve(), other.resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)


def unique_names(paths: Sequence[str]) -> tuple[str, ...]:
    """Returns a unique name for each path: its stem, or its folder, stem and ending if several paths share the stem.

    Underscores are added if names are still equal. A name that is too long for a file system is cut and gets a number.
    """
    names_alone = (path.rpartition("/")[2] for path in paths)
    stems = [name.rpartition(".")[0] or name for name in names_alone]
    counts = Counter(stems)
    taken: set[str] = set()
    names = []
    for number, (path, stem) in enumerate(zip(paths, stems, strict=True)):
        name = stem if counts[stem] == 1 else "_".join(path.replace("/", "_").rsplit(".", 1))
        if len(os.fsencode(name)) > _LONGEST_NAME:
            name = f"{os.fsencode(name)[: _LONGEST_NAME - 10].decode(errors='ignore')}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return tuple(names)


def make_folder(path: Path) -> None:
    """Makes a folder and its parents, unless they exist.

    Raises:
        RunError: The folder cannot be made; the message is one line with the path and the reason.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {path}: {reason(error)}") from error


def clear_leftovers(folder: Path, *patterns: str) -> None:
    """Deletes the temporary files that a killed write left in a folder that no other process writes to now.

    Args:
        folder: the folder to clean; it need not exist.
        patterns: regular expressions of further names to delete, in addition to the temporary names of this module.
    """
    leftover = re.compile("|".join((_TEMPORARY, *patterns)))
    for path in folder.iterdir() if folder.is_dir() else ():
        if leftover.fullmatch(path.name):
            delete(path)


def delete(path: Path) -> None:
    """Deletes a file or a folder with all its files, as far as the system allows it; the path need not exist."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[str]:
    """Holds a lock on a file: only one process at a time can be in this context.

    The system releases the lock even if the process is killed. A file that is left over does not lock anything.

    Args:
        path: the lock file, which is empty. It is made if needed, and deleted at the end.

    Yields:
        An empty text; or, if the file system has no locks and nothing is locked, the reason.

    Raises:
        BlockingIOError: another process, or another context of this one, holds the lock.
        OSError: the file cannot be made.
    """
    lock = filelock.FileLock(path, timeout=_PATIENCE, fallback_to_soft=False)
    without = ""
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN), str(path)) from None
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
        without = reason(error)
    try:
        yield without
    finally:
        # Deleted before the release: later it could be the next holder's file. On Windows the library deletes it.
        if isinstance(lock, filelock.UnixFileLock):
            path.unlink(missing_ok=True)
        lock.release()


def write_atomically(path: str | Path, data: bytes) -> None:
    """Writes a file completely or not at all: a failed write leaves an older file of that name as it was.

    Args:
        path: the file to write; its folder exists.
        data: the content of the file.

    Raises:
        RunError: The file cannot be written; the message is one line with the path and the reason.
    """
    path = Path(path)
    with _temporary(path.parent, f"{path}") as temporary:
        temporary.write_bytes(data)
        _publish([(temporary, path)])


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Writes a large file completely or not at all; the `with` block writes to the name that this context yields.

    If a killed process leaves a file of that name, the next process that writes the same file replaces it.

    Args:
        path: the file to write; its folder exists.

    Yields:
        A hidden name beside `path`. The file becomes `path` when the block ends, and is deleted when the block raises.

    Raises:
        RunError: The file cannot be written, or another process is writing it now.
    """
    own = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}"
    with contextlib.ExitStack() as stack:
        try:
            # The lock is a file of its own: on Windows, nobody could write to a locked file.
            stack.enter_context(locked(path.parent / f"{own}.lock"))
        except BlockingIOError:
            raise RunError(f"{path} is being written by another process.") from None
        except OSError as error:
            raise RunError(f"cannot write {path}: {reason(error)}") from error
        with _temporary(path.parent, f"{path}", f"{own}.tmp") as temporary:
            yield temporary
            _publish([(temporary, path)])


@contextlib.contextmanager
def replace_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Writes a folder completely or not at all; the `with` block writes to the folder that this context yields.

    Args:
        path: the folder to write; its parents are made.
        overwrite: whether the folder may replace an existing file or folder, which survives any failure.

    Yields:
        An empty folder beside `path`. It becomes `path` when the block ends, and is deleted when the block raises.

    Raises:
        RunError: The path exists and may not be overwritten, or the folder cannot be written.
    """
    if path.exists() and not overwrite:
        raise RunError(f"{path} exists already: give --overwrite to replace all of it, or choose another folder.")
    make_folder(path.parent)
    with _temporary(path.parent, f"{path}") as temporary:
        temporary.mkdir()
        yield temporary
        _publish([(temporary, path)])


@contextlib.contextmanager
def staged(folder: Path, last: str) -> Iterator[Path]:
    """Moves many files into a folder together, or none of them if the `with` block raises.

    Args:
        folder: the folder of the files. It is made if needed, and deleted again after a failure.
        last: a pattern. Files that match it appear last, since they make the other files valid.

    Yields:
        An empty folder inside `folder` to write the files to.

    Raises:
        RunError: The folder cannot be made or written to; the message is one line with the path and the reason.
    """
    existed = folder.exists()
    make_folder(folder)
    try:
        with _temporary(folder, f"to {folder}") as staging:
            staging.mkdir()
            yield staging
            files = sorted(staging.iterdir(), key=lambda path: path.match(last))
            _publish([(path, folder / path.name) for path in files])
    finally:
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()  # refuses to remove one that has got files


@contextlib.contextmanager
def _temporary(folder: Path, place: str, name: str = "") -> Iterator[Path]:
    """Yields a hidden name in a folder, deletes the file of that name at the end, and raises OSErrors as RunErrors.

    Args:
        folder: the target's folder, because a rename is atomic only within a file system.
        place: the path in the error message.
        name: the name; by default a new one, which is short because the target's name may be at the limit of length.
    """
    temporary = folder / (name or f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
    except OSError as error:
        raise RunError(f"cannot write {place}: {reason(error)}") from error
    finally:
        delete(temporary)


def _publish(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Renames files or folders, in this order, after all of their content is on the disk."""
    for source, _ in pairs:
        for path in [*source.rglob("*"), source] if source.is_dir() else [source]:
            _sync(path)
    for source, target in pairs:
        if source.is_dir() and target.exists():
            _replace_folder(source, target)
        else:
            _rename(source, target)
    for folder in {target.parent for _, target in pairs}:
        _sync(folder)


def _replace_folder(source: Path, target: Path) -> None:
    """Replaces a folder by another. No single call does that, so the old one is renamed first, and back on failure."""
    old = source.with_suffix(".old")
    _rename(target, old)
    try:
        _rename(source, target)
    except OSError:
        _rename(old, target)
        raise
    delete(old)


def _rename(source: Path, target: Path) -> None:
    for wait in _WAITS:
        try:
            source.replace(target)
        except PermissionError:
            time.sleep(wait)
        else:
            return
    source.replace(target)


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    if _WINDOWS and path.is_dir():  # Windows cannot open folders, and its journal keeps their names
        return
    # Windows syncs only files that are open for writing. On other systems the file may be read-only.
    descriptor = os.open(path, os.O_RDWR if _WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system without fsync
            raise
    finally:
        os.close(descriptor)
