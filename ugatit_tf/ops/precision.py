"""The number type in which convolutions multiply, where all else stays float32."""

import contextlib
from collections.abc import Iterator

from keras import KerasTensor, ops

_WIDE = "float32"
_scopes = [_WIDE]


@contextlib.contextmanager
def products_in(dtype: str) -> Iterator[None]:
    """Lets convolutions called inside the context multiply in "float32", "bfloat16" or "float16"."""
    _scopes.append(dtype)
    try:
        yield
    finally:
        _scopes.pop()


def product_dtype() -> str:
    """The number type of the present scope; float32 outside of any."""
    return _scopes[-1]


def narrow(x: KerasTensor) -> KerasTensor:
    """Casts a factor to the scope's type."""
    return ops.cast(x, product_dtype())


def wide(x: KerasTensor) -> KerasTensor:
    """Casts a product back to float32."""
    return ops.cast(x, _WIDE)
