"""A lock on a run's checkpoint folder: one writer at a time."""

import contextlib
import datetime
import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ugatit_tf.errors import RunError
from ugatit_tf.system.files import make_folder

LOCK_FILE = ".lock"

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """A context in which no other process holds the folder's lock.

    The system releases the lock however this process ends; the file alone means nothing. Where the file system knows
    no locks, a warning is logged instead.

    Args:
        folder: made if need be, and gone again if nothing was written to it.

    Raises:
        RunError: where another process holds it, naming that one, and where the folder cannot be written to.
    """
    existed = folder.exists()
    make_folder(folder)
    path = folder / LOCK_FILE
    descriptor = _lock(path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)  # only now, or this would remove the next one's file
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()  # refuses to remove one that has got files


def _lock(path: Path) -> int:
    """Opens and locks the file, and writes into it whose it is."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            holder = os.read(descriptor, 1000).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            raise RunError(
                f"{path.parent} is in use by {holder}: let it finish or stop it, or give another --checkpoint_dir."
            ) from error
        except OSError as error:
            _log.warning("Nothing keeps a second run out of %s: cannot lock it (%s).", path.parent, error.strerror)
            return descriptor
        if _is_still(path, descriptor):
            break
        os.close(descriptor)
    now = datetime.datetime.now()
    with contextlib.suppress(OSError):  # a full disk, say: the lock holds without the text
        os.truncate(descriptor, 0)  # a crash leaves the file
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {now:%Y-%m-%d %H:%M}\n".encode())
    return descriptor


def _is_still(path: Path, descriptor: int) -> bool:
    """Whether the open file is the one of that name, and not one that its last holder has just removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
