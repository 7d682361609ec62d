"""TensorFlow's checkpoint files, of any version and program: read one variable at a time, written atomically."""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ugatit_tf.checkpoints.folder import STATE_FILE, state_text, step_in_name
from ugatit_tf.errors import RunError, reason
from ugatit_tf.system.files import staged

Table = Mapping[str, keras.Variable]

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # what an object-based checkpoint, TensorFlow 2's kind, has and no other
BOOKKEEPING = (OBJECT_GRAPH, "save_counter/.ATTRIBUTES/VARIABLE_VALUE")  # what this program's hold beside variables


class DamagedError(RunError):
    """A checkpoint whose files are not what was written, or cannot be read."""


class Bundle:
    """A checkpoint: an index, and one or more files of data, in which its variables lie one after the other.

    Args:
        prefix: the checkpoint's path without `.index`.

    Attributes:
        prefix: as given.
        shapes: of every variable, by its name.
        dtypes: likewise.

    Raises:
        DamagedError: where it is damaged, or no checkpoint; if data is missing, with the bytes there and those asked
            for.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        index = Path(f"{prefix}.index")
        try:
            with index.open("rb") as file:
                size = file.seek(0, 2)
            reader = tf.train.load_checkpoint(str(prefix))
        except OSError as error:
            raise DamagedError(f"cannot read {index}: {error.strerror}") from error
        # The last two: an index that points beyond its end, or to more bytes than there is memory.
        except (tf.errors.OpError, ValueError, IndexError, MemoryError) as error:
            raise DamagedError(
                f"{index} is damaged, or not of a checkpoint: no index can be read from its {size} bytes."
            ) from error
        self.shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
        self.dtypes = reader.get_variable_to_dtype_map()
        if self._held() < self._asked():
            raise self._damaged()

    @property
    def object_based(self) -> bool:
        """Whether it is of TensorFlow 2's kind, as this program's own are; the reference's are name-based."""
        return OBJECT_GRAPH in self.shapes

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """The shape of a variable.

        Raises:
            RunError: where there is no such variable, or it is not of this rank.
        """
        if name not in self.shapes:
            raise self._misfit(f"no variable {name}")
        if len(self.shapes[name]) != rank:
            raise self._misfit(f"{name} with shape {list(self.shapes[name])}; {rank} axes are needed")
        return self.shapes[name]

    def size(self, name: str) -> int:
        """Bytes of a variable's values; 0 for strings, whose length only the data tells."""
        return math.prod(self.shapes[name]) * self.dtypes[name].size if self.dtypes[name] != tf.string else 0

    def read(self, name: str) -> tf.Tensor:
        """The values of a variable.

        Raises:
            DamagedError: where they cannot be read, or do not match their checksum.
            RunError: where there is not enough memory for them.
        """
        try:
            # No reader's get_tensor: that makes a second copy.
            (tensor,) = tf.raw_ops.RestoreV2(
                prefix=str(self.prefix), tensor_names=[name], shape_and_slices=[""], dtypes=[self.dtypes[name]]
            )
        except tf.errors.ResourceExhaustedError as error:
            raise RunError(f"Not enough memory for {name}, {self.size(name)} bytes.") from error
        except (tf.errors.OpError, IndexError) as error:
            raise self._damaged(name) from error
        return tensor

    def verify(self, starts: Collection[str] | None = None) -> None:
        """Reads variables, one at a time, and keeps none; a progress bar shows on a terminal.

        Args:
            starts: what the paths of the variables begin with; None: all that there is.

        Raises:
            DamagedError: where one of them cannot be read, or does not match its checksum.
            RunError: where there is not enough memory for the largest of them.
        """
        begin = ("",) if starts is None else tuple(map(_key_start, starts) if self.object_based else starts)
        for _ in self._read_all([name for name in self.shapes if name.startswith(begin)], "Checking"):
            pass

    def matched(self, table: Table, others: Iterable[str] | None = None) -> Iterator[tuple[keras.Variable, tf.Tensor]]:
        """Goes through variables of ours one at a time, with a progress bar on a terminal.

        Args:
            table: our variables by their names in the checkpoint.
            others: what else the checkpoint may hold; None: anything.

        Yields:
            Each variable, and its values in the checkpoint.

        Raises:
            RunError: before the first one, where a variable is missing in the checkpoint, is there but not in the
                table, or has another shape or type, naming it; later, where the file is damaged.
        """
        self._check(table, others)
        yield from zip(table.values(), self._read_all(table, "Reading"), strict=True)

    def _check(self, table: Table, others: Iterable[str] | None) -> None:
        for name, variable in table.items():
            shape = self.shape(name, rank=len(variable.shape))
            if shape != tuple(variable.shape):
                raise self._misfit(f"{name} with shape {list(shape)}; this network's is {list(variable.shape)}")
            if self.dtypes[name] != variable.dtype:
                raise self._misfit(f"{name} as {self.dtypes[name].name}; this network's is {variable.dtype}")
        unknown = sorted(set(self.shapes) - set(table) - set(others)) if others is not None else []
        if unknown:
            raise self._misfit(f"{len(unknown)} variables that this network lacks; one is {unknown[0]}")

    def _read_all(self, names: Collection[str], what: str) -> Iterator[tf.Tensor]:
        total = sum(map(self.size, names))
        with tqdm(total=total, desc=what, unit="B", unit_scale=True, disable=None, leave=False) as bar:
            for name in names:
                yield self.read(name)
                bar.update(self.size(name))

    def _misfit(self, what: str) -> RunError:
        return RunError(f"{self.prefix} does not fit this network: it has {what}.")

    def _held(self) -> int:
        folder, name = self.prefix.parent, self.prefix.name
        return sum(path.stat().st_size for path in folder.iterdir() if path.name.startswith(f"{name}.data-"))

    def _asked(self) -> int:
        return sum(map(self.size, self.shapes))

    def _damaged(self, name: str = "") -> DamagedError:
        if name:
            return DamagedError(f"{self.prefix} is damaged ({name} is not what was written).")
        return DamagedError(
            f"{self.prefix} is damaged: its data has {self._held()} bytes, its index asks for {self._asked()}."
        )


def key(path: str) -> str:
    """The name in this program's checkpoints of the variable that has this path, whatever Python object holds it."""
    return f"{_key_start(path)}/.ATTRIBUTES/VARIABLE_VALUE"


def by_key(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Variables by their names in this program's checkpoints."""
    return {key(path): variable for path, variable in by_path(variables).items()}


def by_path(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Variables by their paths, of which no two may be the same."""
    found: dict[str, keras.Variable] = {}
    for variable in variables:
        if variable.path in found:
            raise ValueError(f"Two variables are called {variable.path}.")
        found[variable.path] = variable
    return found


def _key_start(path: str) -> str:
    return f"variables/{path.replace('.', '..').replace('/', '.S')}"


def write(prefix: Path, tensors: Mapping[str, tf.Tensor | np.ndarray]) -> None:
    """Writes a name-based checkpoint atomically, and makes the folder's state file name it.

    Args:
        prefix: where to.
        tensors: by their names.

    Raises:
        RunError: where it cannot be written.
    """
    folder = prefix.parent
    others = {index.with_suffix("") for index in folder.glob("*.index")} - {prefix}
    names = [path.name for path in (*sorted(others, key=lambda path: step_in_name(path) or 0), prefix)]
    with staged(folder, last="*.index") as staging:
        (staging / STATE_FILE).write_text(state_text(names), encoding="utf-8")
        try:
            tf.raw_ops.SaveV2(
                prefix=str(staging / prefix.name),
                tensor_names=list(tensors),
                shape_and_slices=[""] * len(tensors),
                tensors=list(tensors.values()),
            )
        except tf.errors.OpError as error:
            raise RunError(f"cannot write {prefix}: {reason(error)}") from error
