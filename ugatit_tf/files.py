"""Making folders, and writing files so that a reader never meets half of one."""

import contextlib
import uuid
from pathlib import Path

from ugatit_tf.errors import RunError


def make_folder(path: Path) -> None:
    """Makes a folder and those above it; one that exists is left as it is.

    Raises:
        RunError: The folder cannot be made; the message is one line with the path and the reason.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {path}: {_reason(error)}") from error


def write_atomically(path: str | Path, data: bytes) -> None:
    """Writes a file, whole or not at all: a failed write leaves an older file of that name as it was.

    Args:
        path: Where to; the folder exists.
        data: What the file shall hold.

    Raises:
        RunError: The file cannot be written; the message is one line with the path and the reason.
    """
    path = Path(path)
    # The same folder, as only within one file system is a rename atomic; a short name, as the file's own may be at
    # the limit already.
    temporary = path.parent / f".{uuid.uuid4().hex}.tmp"
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {_reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _reason(error: OSError) -> str:
    return " ".join((error.strerror or str(error) or type(error).__name__).split())
