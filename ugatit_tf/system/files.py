"""Folders, locks, and atomic writes: a reader never meets half a file.

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
from collections.abc import Iterator, Sequence
from pathlib import Path

import filelock

from ugatit_tf.errors import RunError, reason

_WINDOWS = sys.platform == "win32"
# Windows refuses to rename over a file that another program reads at this moment, a virus scanner for instance.
_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8) if _WINDOWS else ()  # seconds

_TEMPORARY = r"\.[0-9a-f]{32}\.(tmp|lock)"

_PATIENCE = 0.2  # seconds, in which a lock's former holder deletes its file
# What system calls say on file systems without locks, such as some network ones.
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


def stamp(path: str | Path) -> list[int] | None:
    """A file's size and time of change, which tell whether it is still the same; None where it cannot be read."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def stamp_all(path: Path) -> str:
    """The names and stamps of a file, or of all files in a folder, as one text."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return f"{[(file.name, stamp(file)) for file in files]}"


def overlap(one: Path, other: Path) -> bool:
    """Whether two paths are the same place, or one is inside the other; links are followed."""
    one, other = one.resolve(), other.resolve()
    return one.is_relative_to(other) or other.is_relative_to(one)


def make_folder(path: Path) -> None:
    """Makes a folder and those above it; one that exists is left as it is.

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
        folder: to look in; it need not be there.
        patterns: regular expressions of further names that may go, beside those of this module.
    """
    leftover = re.compile("|".join((_TEMPORARY, *patterns)))
    for path in folder.iterdir() if folder.is_dir() else ():
        if leftover.fullmatch(path.name):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[str]:
    """Holds a lock on a file: a context that only one process at a time is in.

    The system releases the lock however the process ends; the file alone means nothing.

    Args:
        path: the lock's file, which holds nothing else. It is made if need be, and deleted at the end.

    Yields:
        An empty text, or the reason where the file system has no locks: then nothing is locked.

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
        # Before the release, or this would delete the next holder's file. On Windows the library deletes it.
        if isinstance(lock, filelock.UnixFileLock):
            path.unlink(missing_ok=True)
        lock.release()


def write_atomically(path: str | Path, data: bytes) -> None:
    """Writes a file completely or not at all: a failed write leaves an older file of that name as it was.

    Args:
        path: Where to; the folder exists.
        data: What the file shall hold.

    Raises:
        RunError: The file cannot be written; the message is one line with the path and the reason.
    """
    path = Path(path)
    with _temporary(path.parent, f"{path}") as temporary:
        temporary.write_bytes(data)
        _publish([(temporary, path)])


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Writes a large file completely or not at all: a context that gives the name to write it under.

    What a killed process leaves under that name, the next one that writes the same file writes over.

    Args:
        path: Where to; the folder exists.

    Yields:
        A hidden name beside `path`. The file becomes `path` when the block ends, and is deleted when the block raises.

    Raises:
        RunError: The file cannot be written, or another process is writing it now.
    """
    own = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}"
    with contextlib.ExitStack() as stack:
        try:
            # Beside the file: Windows would keep whoever writes the file from the part that is locked.
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
    """Writes a folder completely or not at all: a context that gives the folder to write to.

    Args:
        path: Where to; the folders above it are made.
        overwrite: Whether it may take the place of what is there already, which survives any failure.

    Yields:
        An empty folder beside `path`. It becomes `path` when the block ends, and is deleted when the block raises.

    Raises:
        RunError: Something is there already and may not be overwritten, or the folder cannot be written.
    """
    if path.exists() and not overwrite:
        raise RunError(f"{path} is there already: give --overwrite to replace all of it, or another place.")
    make_folder(path.parent)
    with _temporary(path.parent, f"{path}") as temporary:
        temporary.mkdir()
        yield temporary
        _publish([(temporary, path)])


@contextlib.contextmanager
def staged(folder: Path, last: str) -> Iterator[Path]:
    """Lets many files appear in a folder together, or, where the body of the `with` fails, none of them.

    Args:
        folder: where the files shall be in the end; made if need be, and deleted again after a failure.
        last: a pattern; files whose names match it are the ones that make the others count, and come last.

    Yields:
        An empty folder inside `folder` to write them into.

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
    """Yields a hidden name in a folder, deletes what is there at the end, and turns OSErrors into RunErrors.

    Args:
        folder: that of the target, as only within one file system is a rename atomic.
        place: what the error names.
        name: unset: a new one. It is short, as the target's own may be at the limit already.
    """
    temporary = folder / (name or f".{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
    except OSError as error:
        raise RunError(f"cannot write {place}: {reason(error)}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                temporary.unlink()


def _publish(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Gives files or folders their names, in this order, when all that they hold is on the disk."""
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
    """Renames a folder over another, which no single call does: the old one steps aside, and back on failure."""
    old = source.with_suffix(".old")
    _rename(target, old)
    try:
        _rename(source, target)
    except OSError:
        _rename(old, target)
        raise
    if old.is_dir():
        shutil.rmtree(old, ignore_errors=True)
    else:
        old.unlink()


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
    if _WINDOWS and path.is_dir():  # Windows opens no folders, and keeps their names by its journal
        return
    # Windows brings only that to the disk which is open for writing; elsewhere a file may be read-only.
    descriptor = os.open(path, os.O_RDWR if _WINDOWS else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot
            raise
    finally:
        os.close(descriptor)
