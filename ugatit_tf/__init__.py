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


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used, so that TensorFlow is loaded only where it is needed."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
