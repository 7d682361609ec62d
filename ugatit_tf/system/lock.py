"""A lock on a run's checkpoint folder: one writer at a time."""

import contextlib
import datetime
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ugatit_tf.errors import RunError, reason
from ugatit_tf.system.files import locked, make_folder

LOCK_FILE = ".lock"
# Not in the lock's own file: Windows keeps all other processes from reading what is locked.
HOLDER_FILE = ".lock_holder"

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """A context in which no other process holds the folder's lock.

    The system releases the lock however this process ends; the files alone mean nothing. Where the file system knows
    no locks, a warning is logged instead.

    Args:
        folder: made if need be, and deleted again if nothing was written to it.

    Raises:
        RunError: where another process holds it, naming that one, and where the folder cannot be written to.
    """
    existed = folder.exists()
    make_folder(folder)
    path = folder / LOCK_FILE
    try:
        with contextlib.ExitStack() as stack:
            try:
                without = stack.enter_context(locked(path))
            except BlockingIOError as error:
                raise RunError(
                    f"{folder} is in use by {_holder(folder)}: let it finish or stop it, or give another "
                    "--checkpoint_dir."
                ) from error
            except OSError as error:
                raise RunError(f"cannot write {path}: {reason(error)}") from error
            if without:
                _log.warning("Nothing keeps a second run out of %s: cannot lock it (%s).", folder, without)
            stack.enter_context(_named(folder / HOLDER_FILE))
            yield
    finally:
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()  # refuses to remove one that has got files


def describe(folder: Path) -> str:
    """Returns whether a run holds the folder's lock, in words, with what is known of the run."""
    path = folder / LOCK_FILE
    if not path.exists():
        return "not running"
    try:
        with locked(path) as without:  # a crash leaves the file, but not the lock
            return f"not known: {without}" if without else "not running"
    except BlockingIOError:
        return f"running: {_holder(folder)}"
    except OSError as error:  # a folder that this user may only read
        return f"not known, as the lock cannot be tried ({reason(error)}); perhaps {_holder(folder)}"


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Keeps a file that says which process holds the lock, for as long as it holds it."""
    now = datetime.datetime.now()
    text = f"process {os.getpid()} on {socket.gethostname()} since {now:%Y-%m-%d %H:%M}\n"
    with contextlib.suppress(OSError):  # a full disk, say: the lock holds without the text
        path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def _holder(folder: Path) -> str:
    try:
        text = (folder / HOLDER_FILE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        text = ""
    return text or "another process"
