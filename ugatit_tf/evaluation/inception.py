"""The file of Inception, the network that defines FID and KID: its place in a cache folder, and its download."""

import hashlib
import logging
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
_TIMEOUT = 5.0  # seconds until the server answers, and for each piece
_PIECE = 1 << 20


def fetch(folder: Path) -> Path:
    """Returns the file's path in a folder, and downloads the file if it is missing.

    If `<FILE>.sha256` lies in the folder, the file's checksum is compared with it: see `note`.

    Raises:
        RunError: The file cannot be downloaded or read, or has another checksum.
    """
    path = folder / FILE
    expected = _expected(folder)
    if path.is_file():
        _check(str(path), path.read_bytes(), expected)
    else:
        known = f"SHA-256 {expected}" if expected else "its SHA-256 is not known before the first download"
        try:
            data = _download()
        except OSError as error:  # urllib's URLError is an OSError whose reason may be another OSError
            why = reason(error.reason if isinstance(getattr(error, "reason", None), OSError) else error)
            raise RunError(
                f"Cannot download {URL} ({why}). Put that file ({known}) into {folder}, name one with "
                "--features, or choose --metrics without FID and KID."
            ) from error
        _check(URL, data, expected)
        make_folder(folder)
        write_atomically(path, data)
        _log.info("Kept %s", path)
    return path


def note(folder: Path, checksum: str) -> None:
    """Writes `<FILE>.sha256` into a folder if it is missing. `fetch` compares the file with it.

    There is no published checksum that this program could contain. So the first file that proves to be Inception sets
    the checksum, unless the user has written one.

    Raises:
        RunError: The checksum cannot be written.
    """
    if not _expected(folder):
        write_atomically(folder / f"{FILE}.sha256", f"{checksum}  {FILE}\n".encode())


def _expected(folder: Path) -> str:
    """Returns the recorded checksum, which has the format of `sha256sum`; empty if there is none."""
    try:
        return (folder / f"{FILE}.sha256").read_text(encoding="utf-8").partition(" ")[0].strip()
    except FileNotFoundError:
        return ""


def _check(name: str, data: bytes, expected: str) -> None:
    found = hashlib.sha256(data).hexdigest()
    if expected and found != expected:
        raise RunError(f"{name} has SHA-256 {found}, but {FILE}.sha256 says {expected}: it is damaged or another file.")


def _download() -> bytes:
    response = _open()
    size = int(response.headers.get("Content-Length") or 0)
    with response, tqdm.wrapattr(response, "read", total=size or None, desc=FILE, disable=None) as stream:
        data = b"".join(iter(lambda: stream.read(_PIECE), b""))
    if len(data) < size:
        raise OSError(f"the connection broke after {len(data):,} of {size:,} bytes")
    return data


def _open() -> BinaryIO:
    """Returns the server's answer. A thread limits the time, because a name look-up has no time limit."""
    answers: list[BinaryIO | Exception] = []

    def ask() -> None:
        try:
            answers.append(urllib.request.urlopen(URL, timeout=_TIMEOUT))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_TIMEOUT)
    answer = answers[0] if answers else TimeoutError(f"no answer within {_TIMEOUT:g} s")
    if isinstance(answer, Exception):
        raise answer
    return answer
