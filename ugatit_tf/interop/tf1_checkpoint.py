"""Name-based checkpoints of the TensorFlow 1 reference: its names for our variables, and reading them."""

from collections.abc import Iterable
from pathlib import Path

import keras
import tensorflow as tf

from ugatit_tf.errors import RunError


def reference_names(variables: Iterable[keras.Variable]) -> dict[str, keras.Variable]:
    """The reference's name of every variable of a network.

    A variable's path is that name, except that the reference's plain convolutions and Dense layers hold their kernel
    and bias in a scope of their own, `conv2d` or `dense`; those with spectral norm, and CAM's, do not.

    Args:
        variables: of whole networks, so that it shows which layers have a `u`.
    """
    by_path = {variable.path: variable for variable in variables}
    names = {}
    for path, variable in by_path.items():
        layer, _, name = path.rpartition("/")
        plain = f"{layer}/u" not in by_path and not layer.endswith("/CAM_logit")
        if name in ("kernel", "bias") and plain:
            scope = "dense" if "/MLP/" in layer else "conv2d"
            path = f"{layer}/{scope}/{name}"  # noqa: PLW2901
        names[path] = variable
    return names


def load_weights(variables: Iterable[keras.Variable], prefix: str | Path) -> None:
    """Loads networks' weights from a checkpoint of the reference; what else it holds, such as Adam's slots, is left.

    Args:
        variables: of whole networks.
        prefix: the checkpoint's path without `.index`.

    Raises:
        RunError: where a variable is missing in the checkpoint or has another shape there, naming it.
    """
    reader = tf.train.load_checkpoint(str(prefix))
    shapes = reader.get_variable_to_shape_map()
    names = reference_names(variables)
    for name, variable in names.items():
        if name not in shapes:
            raise RunError(f"{prefix} has no variable {name}.")
        if tuple(shapes[name]) != tuple(variable.shape):
            raise RunError(f"{prefix} has {name} with shape {shapes[name]}; this network's is {list(variable.shape)}.")
    for name, variable in names.items():
        variable.assign(reader.get_tensor(name))
