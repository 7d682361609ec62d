"""Reads files of `torch.save`, by PyTorch if it is installed, else by itself; runs no code that a file holds."""

import contextlib
import importlib.metadata
import io
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ugatit_tf.checkpoints.bundle import DamagedError
from ugatit_tf.checkpoints.pytorch import pickles
from ugatit_tf.checkpoints.pytorch.pickles import RefusedError, Storage
from ugatit_tf.errors import RunError, reason

SUFFIXES = (".pt", ".pth")

_SAFE = (2, 6)  # a file could make earlier versions run code in spite of weights_only
_ZIP = b"PK"
_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # how files of PyTorch before 1.6 begin
_LARGEST_PICKLE = 2**26  # bytes; a hundred networks need less


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens a file as a context that yields its content.

    Without PyTorch, `numpy()` reads a tensor's values from the file: call it within the context.

    Yields:
        Nested dicts, lists, numbers, and tensors with `shape`, `dtype` and `numpy()`.

    Raises:
        DamagedError: The file is damaged, or no file of PyTorch's. `values` checks the tensors' values.
        RunError: The file cannot be read, or asks for anything but weights, such as a function call; nothing was
            called.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunError(f"cannot read {path}: {reason(error)}.") from error
    with file:
        try:
            content = _by_torch(path) if _has_torch() else _by_ourselves(file)
        except RefusedError as error:
            raise RunError(f"{path} asks for {error}. Nothing was loaded, and nothing was run.") from error
        except Exception as error:  # a damaged file can make the readers of zip files and pickles raise anything
            raise _damaged(path, error) from error
        yield content


def _has_torch() -> bool:
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return False
    return tuple(map(int, version.split(".")[:2])) >= _SAFE


def _by_torch(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # its message explains how to run the code
        raise RefusedError("more than PyTorch loads safely") from error


def _by_ourselves(file: BinaryIO) -> Any:
    start = file.read(len(_LEGACY))
    if start.startswith(_ZIP):
        return _read_zip(file)
    if start == _LEGACY:
        return _read_legacy(file)
    raise ValueError("its first bytes are unknown")


def _read_zip(file: BinaryIO) -> Any:
    archive = zipfile.ZipFile(file)
    (pickled,) = (name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl"))
    folder = pickled.partition("/")[0]

    def read(name: str) -> bytes:
        if archive.getinfo(f"{folder}/{name}").compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed")  # PyTorch never compresses; unpacked, this could have any size
        return archive.read(f"{folder}/{name}")  # zipfile compares the checksum

    order = read("byteorder").decode() if f"{folder}/byteorder" in archive.namelist() else "little"
    if archive.getinfo(pickled).file_size > _LARGEST_PICKLE:
        raise ValueError("its pickle is too large")
    finder = _finder(order, lambda key, _: read(f"data/{key}"))
    return pickles.load(io.BytesIO(read("data.pkl")), finder)


def _read_legacy(file: BinaryIO) -> Any:
    """Reads what follows the magic number: four pickles, then the storages, each after its count of numbers."""

    def no_storage(_: tuple) -> Storage:
        raise RefusedError("a tensor before its place")

    _protocol, system = (pickles.load(file, no_storage) for _ in range(2))
    storages: dict[str, Storage] = {}
    places: dict[str, int] = {}

    def read(key: str, size: int) -> bytes:
        file.seek(places[key])
        return file.read(size)

    find = _finder("little" if system["little_endian"] else "big", read)

    def find_and_note(persistent_id: tuple) -> Storage:
        storage = storages[persistent_id[2]] = find(persistent_id)
        return storage

    content = pickles.load(file, find_and_note)
    keys = pickles.load(file, no_storage)
    place = file.tell()
    for key in keys:
        places[key] = place + 8
        place += 8 + storages[key].count * storages[key].dtype.itemsize
    if place > file.seek(0, io.SEEK_END):
        raise ValueError("it ends too soon")
    return content


def _finder(order: str, read: Callable[[str, int], bytes]) -> Callable[[tuple], Storage]:
    """Returns a function that finds the storage of a persistent id; `read` takes a key and a number of bytes."""
    code = {"little": "<", "big": ">"}[order]

    def find(persistent_id: tuple) -> Storage:
        kind, dtype, key, _, count, *view = persistent_id
        known = kind == "storage" and dtype in pickles.STORAGES.values() and type(count) is int and count >= 0
        if not known or any(part is not None for part in view):
            raise RefusedError("a storage of another kind")
        dtype = np.dtype(f"{code}{dtype}")
        return Storage(dtype, count, lambda: read(key, count * dtype.itemsize))

    return find


def values(tensor: Any, path: Path) -> Any:
    """Returns a tensor's values as an array.

    Raises:
        DamagedError: The values differ from what was written.
    """
    try:
        return tensor.numpy()
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DamagedError:
    why = reason(error).partition(". ")[0].removesuffix(".")
    return DamagedError(f"{path} is damaged, or no file of PyTorch's: {why}.")
