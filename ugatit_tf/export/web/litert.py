"""LiteRT.js, which runs TFLite files in a browser: pinned packages, compared with their checksums."""

import base64
import hashlib
import io
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ugatit_tf.errors import RunError, reason

VERSION = "2.5.3"
LIBRARY = "index.js"  # the module that a page imports

# Of each package: its file, what npm calls its integrity, and which of its files go where.
_UTILITIES = "wasm-utils.js"
_WASM = [
    f"litert_wasm{kind}_internal.{ending}"
    for kind in ("", "_compat", "_jspi", "_threaded")
    for ending in ("js", "wasm")
]
_PACKAGES = {
    f"@litertjs/core@{VERSION}": (
        f"litertjs-core-{VERSION}.tgz",
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
        {"dist/index.js": LIBRARY} | {f"wasm/{name}": name for name in _WASM},
    ),
    f"@litertjs/wasm-utils@{VERSION}": (
        f"litertjs-wasm-utils-{VERSION}.tgz",
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
        {"dist/index.js": _UTILITIES},
    ),
}
_NOTICE = f"""\
LiteRT.js {VERSION} (the packages {" and ".join(_PACKAGES)}), by Google.
Licensed under the Apache License, Version 2.0: see LICENSE-LiteRT.txt.
Changed: in {LIBRARY}, the import of @litertjs/wasm-utils names the file {_UTILITIES}.
"""


def read(folder: str) -> dict[str, bytes]:
    """The runtime's files by name, with a notice of where they come from.

    Args:
        folder: holds the packages' files; "": they are fetched by `npm pack`.

    Raises:
        RunError: where a package cannot be had, or is not what it was when its checksum was taken.
    """
    if folder:
        return _unpack(Path(folder))
    with tempfile.TemporaryDirectory() as temporary:
        _fetch(temporary)
        return _unpack(Path(temporary))


def _fetch(folder: str) -> None:
    command = ["npm", "pack", "--pack-destination", folder, "--fetch-retries", "1", *_PACKAGES]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RunError(f"There is no npm here ({reason(error)}). {_way_out()}") from error
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0] or f"it ended with {done.returncode}"
        raise RunError(f"npm could not fetch LiteRT.js ({said}). {_way_out()}")


def _unpack(folder: Path) -> dict[str, bytes]:
    files = {"NOTICE.txt": _NOTICE.encode()}
    for name, checksum, members in _PACKAGES.values():
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise RunError(f"cannot read {folder / name}: {reason(error)}. {_way_out()}") from error
        if base64.b64encode(hashlib.sha512(data).digest()).decode() != checksum:
            raise RunError(f"{folder / name} is not the published package: its checksum is another. {_way_out()}")
        with tarfile.open(fileobj=io.BytesIO(data)) as package:
            files |= {place: package.extractfile(f"package/{member}").read() for member, place in members.items()}
    # A worker knows no import map, and that of a page would have to be inline, which its policy forbids.
    files[LIBRARY] = files[LIBRARY].replace(b'"@litertjs/wasm-utils"', f'"./{_UTILITIES}"'.encode())
    return files


def _way_out() -> str:
    return f"Elsewhere, run `npm pack {' '.join(_PACKAGES)}`; give the folder with its two files as --web_runtime."
