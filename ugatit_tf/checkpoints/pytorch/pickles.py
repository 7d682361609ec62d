"""Pickles of PyTorch's, interpreted so that they can make dicts, lists, tuples and tensors, and call nothing."""

import dataclasses
import math
import pickletools
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np


class RefusedError(ValueError):
    """A pickle that asks for more than weights are made of."""


class Storage(NamedTuple):
    """Numbers in a file, which tensors show.

    Attributes:
        dtype: of the numbers.
        count: of them.
        read: gives their bytes.
    """

    dtype: np.dtype
    count: int
    read: Callable[[], bytes]


@dataclasses.dataclass(frozen=True)
class Tensor:
    """A tensor whose values are still in the file; as much as is needed here of PyTorch's own class.

    Attributes:
        storage: where they are.
        offset: of the first one, in numbers.
        shape: of the tensor.
        strides: from one to the next along each axis, in numbers.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype:
        return self.storage.dtype.newbyteorder("=")

    def numpy(self) -> np.ndarray:
        """Reads the values; a ValueError or OSError where they are not all there."""
        data = self.storage.read()
        flat = np.frombuffer(data, self.storage.dtype)
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if len(flat) != self.storage.count or last >= len(flat):
            raise ValueError(f"{len(data)} bytes where {self.storage.count} values were to be")
        strides = [stride * flat.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(flat[self.offset :], self.shape, strides).astype(self.dtype)


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


def _tensor(storage: Storage, offset: int, shape: tuple, strides: tuple, *_: Any) -> Tensor:
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, Storage) or any(type(number) is not int or number < 0 for number in numbers):
        raise ValueError("a tensor of something else than numbers")
    if math.prod(shape) > storage.count:
        raise ValueError("a tensor of more values than there are")
    return Tensor(storage, offset, shape, strides)


def _parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor


_GLOBALS = {
    ("collections", "OrderedDict"): dict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
} | {("torch", name): np.dtype(code) for name, code in _STORAGES.items()}
_FUNCTIONS = (dict, _tensor, _parameter)


def load(file: BinaryIO, find_storage: Callable[[tuple], Storage]) -> Any:
    """What one pickle in a file makes; the file is left behind its end.

    Args:
        file: of bytes.
        find_storage: gives the storage of a persistent id, `("storage", dtype, key, place, count, ...)`.

    Raises:
        RefusedError: where it asks for anything else than a tensor or a dict: before that would be made.
        Exception: where it is damaged, or is no pickle.
    """
    machine = _Machine(find_storage)
    for opcode, argument, _ in pickletools.genops(file):
        machine.do(opcode.name, argument)
    (result,) = machine.stack
    return result


class _Machine:
    """The stack machine of pickles, of protocol 2, without what would import or call anything of the file's choice."""

    def __init__(self, find_storage: Callable[[tuple], Storage]) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._find_storage = find_storage

    def do(self, opcode: str, argument: Any) -> None:
        """Carries out an opcode; a RefusedError for one that is not known here."""
        if opcode in _VALUES:
            self.stack.append(argument)
        elif opcode in _MAKERS:
            self.stack.append(_MAKERS[opcode]())
        elif opcode in _ACTIONS:
            _ACTIONS[opcode](self, argument)
        elif opcode not in ("PROTO", "STOP"):
            raise RefusedError(f"the opcode {opcode}")

    def pop(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise ValueError("an empty stack")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def mark(self, _: None) -> None:
        self._marks.append(len(self.stack))

    def pop_to_mark(self) -> list[Any]:
        start = self._marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def push_tuple(self, items: list) -> None:
        self.stack.append(tuple(items))

    def put(self, index: int) -> None:
        self._memo[index] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self._memo[index])

    def find(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        if (module, name) not in _GLOBALS:
            raise RefusedError(f"{module}.{name}")
        self.stack.append(_GLOBALS[module, name])

    def find_storage(self, _: None) -> None:
        self.stack.append(self._find_storage(self.stack.pop()))

    def call(self, _: None) -> None:
        function, arguments = self.pop(2)
        if not any(function is known for known in _FUNCTIONS):
            raise RefusedError(f"a call of a {type(function).__name__}")
        self.stack.append(function(*arguments))

    def add(self, items: list) -> None:
        """Adds to the list or, as keys and values, to the dict on top."""
        target = self.stack[-1]
        if isinstance(target, dict):
            target.update(zip(items[::2], items[1::2], strict=True))
        elif isinstance(target, list):
            target.extend(items)
        else:
            raise RefusedError(f"items of a {type(target).__name__}")


_VALUES = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE")
_MAKERS = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": _Machine.mark,
    "TUPLE": lambda machine, _: machine.push_tuple(machine.pop_to_mark()),
    "TUPLE1": lambda machine, _: machine.push_tuple(machine.pop(1)),
    "TUPLE2": lambda machine, _: machine.push_tuple(machine.pop(2)),
    "TUPLE3": lambda machine, _: machine.push_tuple(machine.pop(3)),
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.find,
    "BINPERSID": _Machine.find_storage,
    "REDUCE": _Machine.call,
    "BUILD": lambda machine, _: machine.pop(1),  # attributes of a state dict, such as its modules' versions
    "APPEND": lambda machine, _: machine.add(machine.pop(1)),
    "APPENDS": lambda machine, _: machine.add(machine.pop_to_mark()),
    "SETITEM": lambda machine, _: machine.add(machine.pop(2)),
    "SETITEMS": lambda machine, _: machine.add(machine.pop_to_mark()),
}
