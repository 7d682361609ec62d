"""Names of variables in this program's checkpoints: their paths, whatever Python objects hold them."""

from collections.abc import Collection, Iterable

import keras

from ugatit_tf.checkpoints.bundle import OBJECT_GRAPH
from ugatit_tf.training import ema
from ugatit_tf.training.gradients import LossScale

BOOKKEEPING = (OBJECT_GRAPH, "save_counter/.ATTRIBUTES/VARIABLE_VALUE")  # what a checkpoint holds beside variables


def key(path: str) -> str:
    """The name in a checkpoint of the variable that has this path."""
    return f"{key_start(path)}/.ATTRIBUTES/VARIABLE_VALUE"


def key_start(path: str) -> str:
    """What the names of variables begin with whose paths begin so."""
    return f"variables/{path.replace('.', '..').replace('/', '.S')}"


def by_path(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """Variables by their paths, of which no two may be the same."""
    found: dict[str, keras.Variable] = {}
    for variable in variables:
        if variable.path in found:
            raise ValueError(f"Two variables are called {variable.path}.")
        found[variable.path] = variable
    return found


def has_discriminators(names: Collection[str]) -> bool:
    """Whether a checkpoint with these names in it holds more than generators."""
    return any(name.startswith("variables/discriminator_") for name in names)


def averages(names: Collection[str]) -> set[str]:
    """The names of the generators' moving averages among those in a checkpoint."""
    return {name for name in names if name.startswith(f"variables/{ema.PREFIX}")}


def loss_scales(names: Collection[str]) -> set[str]:
    """The names of float16's loss scales among those in a checkpoint; none where its run had another precision last."""
    return {name for name in names if any(f"_optimizer.S{own}/" in name for own in LossScale.NAMES)}
