"""Folders, and atomic writes: a reader never meets half a file."""

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from ugatit_tf.errors import RunError, reason

_TEMPORARY = r"\.[0-9a-f]{32}\.tmp"


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


def write_atomically(path: str | Path, data: bytes) -> None:
    """Writes a file completely or not at all: a failed write leaves an older file of that name as it was.

    Args:
        path: Where to; the folder exists.
        data: What the file shall hold.

    Raises:
        RunError: The file cannot be written; the message is one line with the path and the reason.
    """
    path = Path(path)
    # The same folder, as only within one file system is a rename atomic; a short name, as the file's own may be at
    # the limit already.
    temporary = path.parent / _temporary_name()
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


@contextlib.contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Writes a large file completely or not at all: a context that gives the name to write it under.

    What a killed process leaves under that name, the next one that writes the same file writes over.

    Args:
        path: Where to; the folder exists.

    Yields:
        A hidden name beside `path`, of an empty file. It becomes `path` when the block ends, and goes when the block
        raises.

    Raises:
        RunError: The file cannot be written, or another process is writing it now.
    """
    temporary = path.parent / f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}.tmp"
    try:
        with temporary.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise RunError(f"{path} is being written by another process.") from None
            except OSError:  # a file system that knows no locks
                pass
            try:
                yield temporary
                _sync(temporary)
                temporary.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink()
                raise
    except OSError as error:
        raise RunError(f"cannot write {path}: {reason(error)}") from error


@contextlib.contextmanager
def replace_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Writes a folder completely or not at all: a context that gives the folder to write to.

    Args:
        path: Where to; the folders above it are made.
        overwrite: Whether it may take the place of what is there already, which survives any failure.

    Yields:
        An empty folder beside `path`. It becomes `path` when the block ends, and goes when the block raises.

    Raises:
        RunError: Something is there already and may not be overwritten, or the folder cannot be written.
    """
    if path.exists() and not overwrite:
        raise RunError(f"{path} is there already: give --overwrite to replace all of it, or another place.")
    make_folder(path.parent)
    temporary = path.parent / _temporary_name()
    try:
        temporary.mkdir()
        yield temporary
        _move_into_place(temporary, path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {reason(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _move_into_place(temporary: Path, path: Path) -> None:
    """Renames a folder over another, which no single call does: the old one steps aside, and back on failure."""
    old = temporary.with_suffix(".old")
    if path.exists():
        path.rename(old)
    try:
        temporary.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def staged(folder: Path, last: str) -> Iterator[Path]:
    """Lets many files appear in a folder together, or, where the body of the `with` fails, none of them.

    They are on the disk before the first of them appears: a power cut leaves no names of empty files.

    Args:
        folder: where the files shall be in the end; made if need be, and gone again after a failure.
        last: a pattern; files whose names match it are the ones that make the others count, and come last.

    Yields:
        An empty folder inside `folder` to write them into.

    Raises:
        RunError: The folder cannot be made or written to; the message is one line with the path and the reason.
    """
    existed = folder.exists()
    make_folder(folder)
    staging = folder / _temporary_name()  # inside, as only within one file system is a rename atomic
    try:
        try:
            staging.mkdir()
            yield staging
            files = sorted(staging.iterdir(), key=lambda path: path.match(last))
            for path in files:
                _sync(path)
            for path in files:
                path.replace(folder / path.name)
            _sync(folder)
        except OSError as error:
            raise RunError(f"cannot write to {folder}: {reason(error)}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()  # refuses to remove one that has got files


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot
            raise
    finally:
        os.close(descriptor)


def _temporary_name() -> str:
    return f".{uuid.uuid4().hex}.tmp"
