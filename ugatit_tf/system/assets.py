"""Files of other projects that this one needs and does not hold: pinned packages of npm, compared with their checksums.

Each file lies in a published package. `npm pack` fetches the package; where there is no network, a folder that the user
names (`--assets`) holds it. The cache folder keeps the file. Only a file with the recorded SHA-256 is used.
"""

import base64
import dataclasses
import hashlib
import io
import logging
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from ugatit_tf.errors import RunError, reason
from ugatit_tf.system.files import make_folder, write_atomically

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Package:
    """A package of npm.

    Attributes:
        spec: the name and the version, as `npm pack` takes them.
        integrity: the SHA-512 of the package's file in base64, as npm states it.
    """

    spec: str
    integrity: str

    @property
    def file(self) -> str:
        """The name of the file that `npm pack` writes."""
        name, _, version = self.spec.rpartition("@")
        return f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"


@dataclasses.dataclass(frozen=True)
class Asset:
    """A file in a package.

    Attributes:
        package: the package that holds the file.
        member: the path of the file in the package.
        sha256: the SHA-256 of the file, hexadecimal.
        licence: the licence, as SPDX names it.
    """

    package: Package
    member: str
    sha256: str
    licence: str


FACE_DETECTOR, PERSON_MASK = "face_detection_short_range.tflite", "selfie_segmentation.tflite"
ASSETS = {
    FACE_DETECTOR: Asset(
        Package(
            "@mediapipe/face_detection@0.4.1657300184",
            "k5aYtTf7av7GwD3C9T4LJB/okHK/uJwFQSOmJ9OHZMlwg7SdYVMolRgDlA962OU7fIBKsrOA7f7BzD2gpzcAKw==",
        ),
        FACE_DETECTOR,
        "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
        "Apache-2.0",
    ),
    PERSON_MASK: Asset(
        Package(
            "@mediapipe/selfie_segmentation@0.1.1675465747",
            "IxYxNhwE5VwOm52L1yoFWYLP7q9Pd+NJjzOC5tlepfvEGaY3o9hslhUrx9BgseqdfZtKSDtd/4NfCSMjNzQalA==",
        ),
        PERSON_MASK,
        "8d13b7fae74af625c641226813616a2117bd6bca19eb3b75574621fc08557f27",
        "Apache-2.0",
    ),
}


def cache_folder() -> Path:
    """Returns the cache folder: `ugatit_tf` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ugatit_tf"


def is_cached(name: str) -> bool:
    """Returns whether the cache folder holds an asset, a key of ASSETS."""
    return _is_right(ASSETS[name], cache_folder() / name)


def read(name: str, folder: str = "") -> bytes:
    """Returns the content of an asset.

    It is read from the cache folder, or else from the given folder, or else fetched by `npm pack`. The cache folder
    then keeps it, if it can be written.

    Args:
        name: a key of ASSETS.
        folder: a folder with the asset itself, or with its package as `npm pack` writes it; "": none.

    Raises:
        RunError: The asset cannot be fetched or read, or has another checksum.
    """
    asset = ASSETS[name]
    cached = cache_folder() / name
    if _is_right(asset, cached):
        return cached.read_bytes()
    data = _from_folder(name, asset, Path(folder)) if folder else _from_npm(name, asset)
    try:
        make_folder(cached.parent)
        write_atomically(cached, data)
    except RunError as error:  # a home folder that is read-only; the next command fetches the asset again
        _log.warning("The asset %s is not kept: %s", name, error)
    return data


def read_packages(packages: Sequence[Package], folder: str, flag: str) -> list[dict[str, bytes]]:
    """Returns the files of each package by their paths in it.

    Args:
        packages: the packages.
        folder: a folder with the packages as `npm pack` writes them; "": they are fetched by `npm pack`.
        flag: the flag that names such a folder, for the error message.

    Raises:
        RunError: A package cannot be fetched or read, or has another checksum.
    """
    if folder:
        return [_unpacked(package, Path(folder), _way_out(packages, flag)) for package in packages]
    with tempfile.TemporaryDirectory() as temporary:
        _fetch(packages, Path(temporary), flag)
        return [_unpacked(package, Path(temporary), _way_out(packages, flag)) for package in packages]


def _is_right(asset: Asset, path: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == asset.sha256
    except OSError:
        return False


def _from_folder(name: str, asset: Asset, folder: Path) -> bytes:
    if (folder / name).is_file():
        if not _is_right(asset, folder / name):
            raise RunError(
                f"{folder / name} is damaged or another file: its SHA-256 is not {asset.sha256}. "
                f"{_way_out([asset.package], '--assets')}"
            )
        return (folder / name).read_bytes()
    return read_packages([asset.package], str(folder), "--assets")[0][asset.member]


def _from_npm(name: str, asset: Asset) -> bytes:
    _log.info("Fetching %s (%s, %s) ...", name, asset.package.spec, asset.licence)
    data = read_packages([asset.package], "", "--assets")[0][asset.member]
    if hashlib.sha256(data).hexdigest() != asset.sha256:
        raise RunError(f"{asset.package.spec} holds another {name}: its SHA-256 is not {asset.sha256}.")
    return data


def _fetch(packages: Sequence[Package], folder: Path, flag: str) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise RunError(f"There is no npm here to fetch {_names(packages)}. {_way_out(packages, flag)}")
    specs = [package.spec for package in packages]
    command = [npm, "pack", "--pack-destination", str(folder), "--fetch-retries", "1", *specs]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise RunError(f"npm cannot be started ({reason(error)}). {_way_out(packages, flag)}") from error
    if done.returncode:
        said = done.stderr.strip().partition("\n")[0] or f"it ended with {done.returncode}"
        raise RunError(f"npm could not fetch {_names(packages)} ({said}). {_way_out(packages, flag)}")


def _unpacked(package: Package, folder: Path, way_out: str) -> dict[str, bytes]:
    path = folder / package.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {reason(error)}. {way_out}") from error
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != package.integrity:
        raise RunError(f"{path} is not the published package: its checksum is another. {way_out}")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = (member for member in archive if member.isfile())
        return {member.name.partition("/")[2]: archive.extractfile(member).read() for member in members}


def _names(packages: Iterable[Package]) -> str:
    return " and ".join(package.spec for package in packages)


def _way_out(packages: Iterable[Package], flag: str) -> str:
    specs = " ".join(package.spec for package in packages)
    return f"Elsewhere, run `npm pack {specs}`; give the folder that it writes to as {flag}."
