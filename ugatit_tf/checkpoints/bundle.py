"""Reads the checkpoint files of any version of TensorFlow, one variable at a time; writes them atomically.

TensorFlow's own restore holds a whole checkpoint in memory twice: 16 GB for the full network.
"""

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
from ugatit_tf.training import ema
from ugatit_tf.training.gradients import LossScale

Table = Mapping[str, keras.Variable]

OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # only object-based checkpoints, TensorFlow 2's kind, have this entry
BOOKKEEPING = (OBJECT_GRAPH, "save_counter/.ATTRIBUTES/VARIABLE_VALUE")  # entries of our checkpoints beside variables


class DamagedError(RunError):
    """The files of a checkpoint cannot be read, or differ from what was written."""


class Bundle:
    """The files of a checkpoint: an index, and one or more data files that hold the variables one after the other.

    Args:
        prefix: the checkpoint's path without `.index`.

    Attributes:
        shapes: the shape of each variable, by its name.
        dtypes: the dtype of each variable, by its name.

    Raises:
        DamagedError: The files are damaged, or are no checkpoint. If data is missing, the message says how many bytes
            there are and how many the index needs.
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
        # A damaged index may point beyond its end (IndexError), or to more bytes than there is memory (MemoryError).
        except (tf.errors.OpError, ValueError, IndexError, MemoryError) as error:
            raise DamagedError(
                f"{index} is damaged, or not of a checkpoint: no index can be read from its {size} bytes."
            ) from error
        self.shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
        self.dtypes = reader.get_variable_to_dtype_map()
        files = (path for path in prefix.parent.iterdir() if path.name.startswith(f"{prefix.name}.data-"))
        held, needed = sum(path.stat().st_size for path in files), sum(map(self.size, self.shapes))
        if held < needed:
            raise DamagedError(f"{prefix} is damaged: its data has {held} bytes, its index asks for {needed}.")

    @property
    def object_based(self) -> bool:
        """Whether it is of TensorFlow 2's kind, like our checkpoints; the reference's checkpoints are name-based."""
        return OBJECT_GRAPH in self.shapes

    @property
    def has_discriminators(self) -> bool:
        """Whether one of our checkpoints holds more than generators."""
        return any(name.startswith("variables/discriminator_") for name in self.shapes)

    @property
    def averages(self) -> set[str]:
        """The names of the generators' moving averages in one of our checkpoints."""
        return {name for name in self.shapes if name.startswith(f"variables/{ema.PREFIX}")}

    @property
    def loss_scales(self) -> set[str]:
        """The names of float16's loss scales in one of our checkpoints; none after a run in another precision."""
        return {name for name in self.shapes if any(f"_optimizer.S{own}/" in name for own in LossScale.NAMES)}

    def shape(self, name: str, rank: int) -> tuple[int, ...]:
        """Returns the shape of a variable.

        Raises:
            RunError: The checkpoint has no such variable, or it has another rank.
        """
        if name not in self.shapes:
            raise self._misfit(f"no variable {name}")
        if len(self.shapes[name]) != rank:
            raise self._misfit(f"{name} with shape {list(self.shapes[name])}; {rank} axes are needed")
        return self.shapes[name]

    def size(self, name: str) -> int:
        """Returns the bytes of a variable's values; 0 for strings, whose length only the data file has."""
        return math.prod(self.shapes[name]) * self.dtypes[name].size if self.dtypes[name] != tf.string else 0

    def read(self, name: str) -> tf.Tensor:
        """Reads the values of a variable.

        Raises:
            DamagedError: The values cannot be read, or do not match their checksum.
            RunError: The memory does not suffice.
        """
        try:
            # The reader's get_tensor would make a second copy.
            (tensor,) = tf.raw_ops.RestoreV2(
                prefix=str(self.prefix), tensor_names=[name], shape_and_slices=[""], dtypes=[self.dtypes[name]]
            )
        except tf.errors.ResourceExhaustedError as error:
            raise RunError(f"Not enough memory for {name}, {self.size(name)} bytes.") from error
        except (tf.errors.OpError, IndexError) as error:
            raise DamagedError(f"{self.prefix} is damaged ({name} is not what was written).") from error
        return tensor

    def verify(self, starts: Collection[str] | None = None) -> None:
        """Compares variables with their checksums, one at a time; a terminal shows a progress bar.

        Args:
            starts: the beginnings of the paths of the variables to verify; None verifies all variables.

        Raises:
            DamagedError: A variable cannot be read, or does not match its checksum.
            RunError: The memory does not suffice for the largest variable.
        """
        begin = ("",) if starts is None else tuple(map(_key_start, starts) if self.object_based else starts)
        for _ in self._read_all([name for name in self.shapes if name.startswith(begin)], "Checking"):
            pass

    def matched(self, table: Table, others: Iterable[str] | None = None) -> Iterator[tuple[keras.Variable, tf.Tensor]]:
        """Reads the values of our variables, one variable at a time; a terminal shows a progress bar.

        Args:
            table: our variables by their names in the checkpoint.
            others: further names that the checkpoint may hold; None allows any.

        Yields:
            Each variable, and its values in the checkpoint.

        Raises:
            RunError: Before the first variable: the checkpoint lacks a variable, has one that is not in the table, or
                has one with another shape or dtype; the message names it. Later: the file is damaged.
        """
        for name, variable in table.items():
            shape = self.shape(name, rank=len(variable.shape))
            if shape != tuple(variable.shape):
                raise self._misfit(f"{name} with shape {list(shape)}; this network's is {list(variable.shape)}")
            if self.dtypes[name] != variable.dtype:
                raise self._misfit(f"{name} as {self.dtypes[name].name}; this network's is {variable.dtype}")
        unknown = sorted(set(self.shapes) - set(table) - set(others)) if others is not None else []
        if unknown:
            raise self._misfit(f"{len(unknown)} variables that this network lacks; one is {unknown[0]}")
        yield from zip(table.values(), self._read_all(table, "Reading"), strict=True)

    def _read_all(self, names: Collection[str], what: str) -> Iterator[tf.Tensor]:
        total = sum(map(self.size, names))
        with tqdm(total=total, desc=what, unit="B", unit_scale=True, disable=None, leave=False) as bar:
            for name in names:
                yield self.read(name)
                bar.update(self.size(name))

    def _misfit(self, what: str) -> RunError:
        return RunError(f"{self.prefix} does not fit this network: it has {what}.")


def key(path: str) -> str:
    """Returns the name of a variable in our checkpoints, which depends only on the variable's path."""
    return f"{_key_start(path)}/.ATTRIBUTES/VARIABLE_VALUE"


def by_key(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Returns variables by their names in our checkpoints."""
    return {key(path): variable for path, variable in by_path(variables).items()}


def by_path(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Returns variables by their paths; two variables with one path are a programmer's mistake."""
    found: dict[str, keras.Variable] = {}
    for variable in variables:
        if variable.path in found:
            raise ValueError(f"Two variables are called {variable.path}.")
        found[variable.path] = variable
    return found


def _key_start(path: str) -> str:
    return f"variables/{path.replace('.', '..').replace('/', '.S')}"


def write(prefix: Path, tensors: Mapping[str, tf.Tensor | np.ndarray]) -> None:
    """Writes a name-based checkpoint atomically, and adds it to the folder's state file.

    Args:
        prefix: the checkpoint's path without `.index`.
        tensors: the values by their names.

    Raises:
        RunError: The checkpoint cannot be written.
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
