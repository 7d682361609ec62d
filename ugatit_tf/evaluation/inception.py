"""The file of the network that FID and KID are defined by: found in a cache folder, or downloaded into it."""

import hashlib
import logging
import os
import threading
import urllib.request
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from ugatit_tf.errors import RunError, reason
from ugatit_tf.system.files import make_folder, write_atomically

_log = logging.getLogger(__name__)

FILE = "inception-2015-12-05.tgz"
URL = f"https://download.tensorflow.org/models/image/imagenet/{FILE}"
_PATIENCE = 5.0  # seconds for an answer, and for each piece
_PIECE = 1 << 20


def cache_folder() -> Path:
    """Where the file is kept: `ugatit_tf` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ugatit_tf"


def fetch(folder: Path) -> Path:
    """The file's path in a folder, after downloading it if it is not there.

    Its checksum is compared with the one in `<FILE>.sha256` beside it, if there is one: see `note`.

    Raises:
        RunError: where it cannot be had, or has another checksum.
    """
    path = folder / FILE
    expected = _expected(folder)
    if not path.is_file():
        known = f"SHA-256 {expected}" if expected else "its SHA-256 is not known before the first download"
        try:
            data = _download()
        except OSError as error:  # urllib's errors are of this kind, and hold another
            why = reason(error.reason if isinstance(getattr(error, "reason", None), OSError) else error)
            raise RunError(
                f"Cannot download {URL} ({why}). Put that file ({known}) into {folder}, name one with "
                "--features, or leave out by --metrics what needs it."
            ) from error
        _check(URL, data, expected)
        make_folder(folder)
        write_atomically(path, data)
        _log.info("Kept %s", path)
    else:
        data = path.read_bytes()
        _check(str(path), data, expected)
    return path


def note(folder: Path, checksum: str) -> None:
    """Writes the SHA-256 of the file in a folder beside it, if none is there, for `fetch` to compare with.

    No published checksum could be seen to be written down in this program. So it is that of the first file that turned
    out to be such a network, unless the user has put a better one there.

    Raises:
        RunError: where it cannot be written.
    """
    if not _expected(folder):
        write_atomically(folder / f"{FILE}.sha256", f"{checksum}  {FILE}\n".encode())


def _expected(folder: Path) -> str:
    """The checksum noted down, as `sha256sum` writes it; empty where none is."""
    try:
        return (folder / f"{FILE}.sha256").read_text(encoding="utf-8").partition(" ")[0].strip()
    except FileNotFoundError:
        return ""


def _check(name: str, data: bytes, expected: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if expected and found != expected:
        raise RunError(
            f"{name} has SHA-256 {found}, not {expected} as noted in {FILE}.sha256: it is damaged or another file."
        )


def _download() -> bytes:
    response = _open()
    size = int(response.headers.get("Content-Length") or 0)
    pieces = []
    with response, tqdm(total=size or None, desc=FILE, unit="B", unit_scale=True, disable=None) as bar:
        while piece := response.read(_PIECE):
            pieces.append(piece)
            bar.update(len(piece))
    data = b"".join(pieces)
    if len(data) < size:
        raise OSError(f"the connection broke after {len(data):,} of {size:,} bytes")
    return data


def _open() -> BinaryIO:
    """The server's answer, within some seconds: looking its name up has no time limit of its own."""
    answers: list[BinaryIO | Exception] = []

    def ask() -> None:
        try:
            answers.append(urllib.request.urlopen(URL, timeout=_PATIENCE))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    answer = answers[0] if answers else TimeoutError(f"no answer within {_PATIENCE:g} s")
    if isinstance(answer, Exception):
        raise answer
    return answer
