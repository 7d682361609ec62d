"""Locks a run's checkpoint folder, so that only one process at a time writes to it."""

import contextlib
import datetime
import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ugatit_tf.errors import RunError, reason
from ugatit_tf.system import files

LOCK_FILE = ".lock"
# A file of its own, because on Windows no other process can read a locked file.
HOLDER_FILE = ".lock_holder"

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds the folder's lock: no other process can be in this context.

    The system releases the lock even if this process is killed. Files that are left over do not lock anything. If the
    file system has no locks, a warning is logged instead.

    Args:
        folder: the folder to lock. It is made if needed, and deleted again if nothing was written to it.

    Raises:
        RunError: Another process, which the message names, holds the lock, or the folder cannot be written to.
    """
    existed = folder.exists()
    files.make_folder(folder)
    path = folder / LOCK_FILE
    try:
        with contextlib.ExitStack() as stack:
            try:
                without = stack.enter_context(files.locked(path))
            except BlockingIOError as error:
                raise RunError(
                    f"{folder} is in use by {_holder(folder)}: let it finish or stop it, or give another "
                    "--checkpoint_dir."
                ) from error
            except OSError as error:
                raise RunError(f"cannot write {path}: {reason(error)}") from error
            if without:
                _log.warning("Nothing keeps a second run out of %s: cannot lock it (%s).", folder, without)
            stack.callback(files.delete, folder / HOLDER_FILE)
            now = datetime.datetime.now()
            text = f"process {os.getpid()} on {socket.gethostname()} since {now:%Y-%m-%d %H:%M}\n"
            with contextlib.suppress(OSError):  # on a full disk, for instance: the lock works without the text
                (folder / HOLDER_FILE).write_text(text, encoding="utf-8")
            yield
    finally:
        if not existed:
            with contextlib.suppress(OSError):
                folder.rmdir()  # refuses to remove one that has got files


def describe(folder: Path) -> str:
    """Returns a text that says whether a run holds the folder's lock, and which process."""
    path = folder / LOCK_FILE
    if not path.exists():
        return "not running"
    try:
        with files.locked(path) as without:  # after a crash the file is there, but not locked
            return f"not known: {without}" if without else "not running"
    except BlockingIOError:
        return f"running: {_holder(folder)}"
    except OSError as error:  # this user may only read the folder
        return f"not known, as the lock cannot be tried ({reason(error)}); perhaps {_holder(folder)}"


def _holder(folder: Path) -> str:
    """Returns the text of the process that holds the lock, for messages."""
    try:
        text = (folder / HOLDER_FILE).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        text = ""
    return text or "another process"
