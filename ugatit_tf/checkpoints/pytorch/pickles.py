"""Reads PyTorch's pickles, which can make dicts, lists, tuples and tensors here, and call nothing else.

The standard library documents this way of restricting a pickle: an `Unpickler` whose `find_class` knows a few names.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np


class RefusedError(ValueError):
    """A pickle that asks for anything but weights."""


class Storage(NamedTuple):
    """An array of numbers in a file; tensors are views of it.

    Attributes:
        dtype: of the numbers.
        count: how many numbers it has.
        read: returns their bytes.
    """

    dtype: np.dtype
    count: int
    read: Callable[[], bytes]


class Tensor(NamedTuple):
    """A tensor whose values are still in the file. It has those members of PyTorch's class that are needed here.

    Attributes:
        storage: holds the values.
        offset: index of the first value in the storage.
        shape: of the tensor.
        strides: distance between neighbours along each axis, in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

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


# PyTorch's class of a storage, and NumPy's code of the numbers in it.
STORAGES = {
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


class _Dict(dict):
    """The dict of a pickle. It ignores its attributes, such as the versions of a state dict's modules."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Unpickler(pickle.Unpickler):
    """Finds nothing but the names that weights need.

    `find_class` returns no module-level function and no mutable object: a pickle can set attributes of what it finds.
    """

    def __init__(self, data: bytes, find_storage: Callable[[tuple], Storage]) -> None:
        super().__init__(io.BytesIO(data))
        self._find_storage = find_storage

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
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


def load(file: BinaryIO, find_storage: Callable[[tuple], Storage]) -> Any:
    """Loads one pickle and leaves the file at its end.

    Args:
        file: binary, at the start of a pickle.
        find_storage: returns the storage of a persistent id, `("storage", dtype, key, place, count, ...)`, where
            `dtype` is a NumPy code such as "f4".

    Raises:
        RefusedError: The pickle asks for something other than tensors and dicts; nothing was called.
        Exception: The file is damaged, or holds no pickle.
    """
    start = file.tell()
    memo = max((argument for opcode, argument, _ in pickletools.genops(file) if opcode.name.endswith("PUT")), default=0)
    size = file.tell() - start
    if memo > size:  # the unpickler would allocate a table of that length
        raise ValueError("its memo is longer than the pickle")
    file.seek(start)
    return _Unpickler(file.read(size), find_storage).load()
