"""The compute dtype: the dtype of the products in convolutions. Everything else stays float32."""

import contextlib
from contextvars import ContextVar

import keras
from keras import KerasTensor, ops

from ugatit_tf.ops.scopes import setting

_FLOAT32 = "float32"
_compute_dtype = ContextVar("compute_dtype", default=_FLOAT32)


def compute_dtype(dtype: str) -> contextlib.AbstractContextManager[None]:
    """Lets convolutions called inside the block multiply in "float32", "bfloat16" or "float16"."""
    return setting(_compute_dtype, dtype)


def current_compute_dtype() -> str:
    """Returns the dtype of the innermost `compute_dtype` block; float32 outside any block."""
    return _compute_dtype.get()


def to_compute_dtype(x: KerasTensor) -> KerasTensor:
    """Casts a factor of a product to the compute dtype."""
    return ops.cast(x, current_compute_dtype())


def to_float32(x: KerasTensor) -> KerasTensor:
    """Casts a product back to float32."""
    return ops.cast(x, keras.config.floatx())
