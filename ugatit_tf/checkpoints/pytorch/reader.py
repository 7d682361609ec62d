"""Reads files of `torch.save` without PyTorch, and runs no code that a file holds.

Such a file is a pickle beside arrays of numbers, the storages; tensors are views of them. The pickle can make dicts,
lists, tuples and tensors here, and call nothing else. The standard library documents this way of restricting a pickle:
an `Unpickler` whose `find_class` knows a few names.
"""

import contextlib
import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from ugatit_tf.checkpoints.bundle import DamagedError
from ugatit_tf.errors import RunError, reason

SUFFIXES = (".pt", ".pth")

_ZIP = b"PK"
_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # the first bytes of files of PyTorch before 1.6
_LARGEST_PICKLE = 2**26  # bytes; a hundred networks need less

# PyTorch's class of a storage, and NumPy's code of the numbers in it.
_STORAGES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


class RefusedError(ValueError):
    """A pickle requests something other than weights."""


class Storage(NamedTuple):
    """An array of numbers in a file."""

    dtype: np.dtype
    count: int
    read: Callable[[], bytes]  # returns the numbers' bytes


FindStorage = Callable[[tuple], Storage]  # from a persistent id, ("storage", NumPy's code, key, place, count, ...)


class Tensor(NamedTuple):
    """A tensor whose values are still in the file. It has those members of PyTorch's class that are needed here."""

    storage: Storage  # holds the values
    offset: int  # the index of the first value in the storage
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # the distance between neighbours along each axis, in numbers

    @property
    def dtype(self) -> np.dtype:
        return self.storage.dtype.newbyteorder("=")

    def numpy(self) -> np.ndarray:
        """Reads the values.

        Raises:
            ValueError, OSError: Values are missing.
        """
        data = self.storage.read()
        flat = np.frombuffer(data, self.storage.dtype)
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if len(flat) != self.storage.count or last >= len(flat):
            raise ValueError(f"a storage of {self.storage.count} values has {len(data)} bytes")
        strides = [stride * flat.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides).astype(self.dtype)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Opens a file as a context that yields its content; call the tensors' `numpy()` within the context.

    Yields:
        Nested dicts, lists, numbers, and tensors.

    Raises:
        DamagedError: The file is damaged, or is not a file of PyTorch's. `values` checks the tensors' values.
        RunError: The file cannot be read, or requests something other than weights, such as a function call; nothing
            was called.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise RunError(f"cannot read {path}: {reason(error)}.") from error
    with file:
        try:
            content = _read(file)
        except RefusedError as error:
            raise RunError(f"{path} asks for {error}. Nothing was loaded, and nothing was run.") from error
        except Exception as error:  # a damaged file can make the readers of zip files and pickles raise anything
            raise _damaged(path, error) from error
        yield content


def values(tensor: Tensor, path: Path) -> np.ndarray:
    """Returns a tensor's values.

    Raises:
        DamagedError: The values differ from those that were written.
    """
    try:
        return tensor.numpy()
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DamagedError:
    why = reason(error).partition(". ")[0].removesuffix(".")
    return DamagedError(f"{path} is damaged, or no file of PyTorch's: {why}.")


def _read(file: BinaryIO) -> Any:
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
    return _unpickle(io.BytesIO(read("data.pkl")), _finder(order, lambda key, _: read(f"data/{key}")))


def _read_legacy(file: BinaryIO) -> Any:
    """Reads what follows the first bytes: four pickles, then the storages, each after its count of numbers."""

    def no_storage(_: tuple) -> Storage:
        raise RefusedError("a tensor before its place")

    _protocol, system = (_unpickle(file, no_storage) for _ in range(2))
    storages: dict[str, Storage] = {}
    places: dict[str, int] = {}

    def read(key: str, size: int) -> bytes:
        file.seek(places[key])
        return file.read(size)

    find = _finder("little" if system["little_endian"] else "big", read)

    def find_and_note(persistent_id: tuple) -> Storage:
        storage = storages[persistent_id[2]] = find(persistent_id)
        return storage

    content = _unpickle(file, find_and_note)
    keys = _unpickle(file, no_storage)
    place = file.tell()
    for key in keys:
        places[key] = place + 8
        place += 8 + storages[key].count * storages[key].dtype.itemsize
    if place > file.seek(0, io.SEEK_END):
        raise ValueError("it ends too soon")
    return content


def _finder(order: str, read: Callable[[str, int], bytes]) -> FindStorage:
    """Returns a function that finds storages; `read` returns bytes by a storage's key and their number."""
    code = {"little": "<", "big": ">"}[order]

    def find(persistent_id: tuple) -> Storage:
        kind, dtype, key, _, count, *view = persistent_id
        known = kind == "storage" and dtype in _STORAGES.values() and type(count) is int and count >= 0
        if not known or any(part is not None for part in view):
            raise RefusedError("a storage of another kind")
        dtype = np.dtype(f"{code}{dtype}")
        return Storage(dtype, count, lambda: read(key, count * dtype.itemsize))

    return find


def _unpickle(file: BinaryIO, find_storage: FindStorage) -> Any:
    """Reads one pickle and leaves the file at its end; a damaged pickle may raise any exception.

    Raises:
        RefusedError: The pickle requests something other than tensors and dicts; nothing was called.
    """
    start = file.tell()
    memo = max((argument for opcode, argument, _ in pickletools.genops(file) if opcode.name.endswith("PUT")), default=0)
    size = file.tell() - start
    if memo > size:  # the unpickler would allocate a table of that length
        raise ValueError("its memo is longer than the pickle")
    file.seek(start)
    return _Unpickler(file.read(size), find_storage).load()


class _Dict(dict):
    """The dict of a pickle. It ignores its attributes, such as the versions of a state dict's modules."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Knows only the names that weights need.

    `find_class` returns no module-level function and no mutable object: a pickle can set attributes of what it finds.
    """

    def __init__(self, data: bytes, find_storage: FindStorage) -> None:
        super().__init__(io.BytesIO(data))
        self._find_storage = find_storage

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        match f"{module}.{name}":
            case "collections.OrderedDict":
                return _Dict
            case "torch._utils._rebuild_tensor_v2":
                return self._tensor
            case "torch._utils._rebuild_parameter":
                return self._parameter
        raise RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: tuple) -> Storage:
        return self._find_storage(pid)

    def _tensor(self, storage: Storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> Tensor:
        numbers = (offset, *shape, *strides)
        if not isinstance(storage, Storage) or any(type(number) is not int or number < 0 for number in numbers):
            raise ValueError("a tensor does not consist of numbers")
        if math.prod(shape) > storage.count:
            raise ValueError("a tensor has more values than its storage")
        return Tensor(storage, offset, shape, strides)

    def _parameter(self, tensor: Tensor, *_: Any) -> Tensor:
        return tensor
