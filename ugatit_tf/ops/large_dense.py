"""A Dense layer whose kernel is too large for its gradient to be kept beside it."""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple

import keras
from keras import KerasTensor

from ugatit_tf.ops.scopes import setting


class DenseCall(NamedTuple):
    """One call of a `LargeDense`: what the gradient of its kernel follows from.

    Attributes:
        kernel: `[K, units]`.
        inputs: `[N, K]`.
        outputs: `[N, units]`.
    """

    kernel: keras.Variable
    inputs: KerasTensor
    outputs: KerasTensor


_recordings: ContextVar[tuple[list[DenseCall], ...]] = ContextVar("recordings", default=())


@contextlib.contextmanager
def recorded_calls() -> Iterator[list[DenseCall]]:
    """Collects the calls of every `LargeDense` inside the block, in their order."""
    calls: list[DenseCall] = []
    with setting(_recordings, (*_recordings.get(), calls)):
        yield calls


@keras.saving.register_keras_serializable("ugatit_tf")
class LargeDense(keras.layers.Dense):
    """A Dense layer without an activation that tells `recorded_calls` of its calls.

    The kernel's gradient is the product of all inputs and all gradients of the outputs, a few rows each: who records
    them need not differentiate by the kernel, nor ever hold more than one such gradient.
    """

    def call(self, inputs: KerasTensor, training: bool | None = None) -> KerasTensor:
        outputs = super().call(inputs, training=training)
        for calls in _recordings.get():
            calls.append(DenseCall(self.kernel, inputs, outputs))
        return outputs
