"""U-GAT-IT (Kim et al., ICLR 2020) in TensorFlow 2 and Keras 3."""

import importlib
from typing import Any

_PUBLIC = {
    "Config": "ugatit_tf.config",
    "Discriminator": "ugatit_tf.networks.discriminator",
    "Generator": "ugatit_tf.networks.generator",
    "UGATIT": "ugatit_tf.training.ugatit",
    "load_generator": "ugatit_tf.inference",
}
__all__ = list(_PUBLIC)

_BACKENDS = {"jax", "torch", "openvino"}  # modules that Keras imports if they are its backend


def __getattr__(name: str) -> Any:
    """Imports a public name at its first use, so that TensorFlow is loaded only when it is needed."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    except ModuleNotFoundError as error:
        backend = (error.name or "").partition(".")[0]
        if backend not in _BACKENDS:
            raise
        raise ImportError(
            f"ugatit_tf needs TensorFlow as Keras' backend, but KERAS_BACKEND or keras.json names {backend}: set "
            "KERAS_BACKEND=tensorflow in the environment before Keras is loaded."
        ) from error
