"""A Dense layer whose kernel is so large that its gradient should never lie in memory as a whole.

In the full generator at 256 px, the first layer of AdaLIN's MLP has 268 million weights, 1.07 GB. Its gradient would
take as much memory again. But a Dense kernel's gradient is `transpose(inputs) @ upstream`, where both factors have one
row per sample. So this layer records its calls; the update differentiates by the outputs instead of the kernel, and
keeps the two factors (`FactoredGradient`). The optimizer multiplies them out while it updates the kernel in place.

Before, the product was made as a temporary tensor. The full network with `--recompute` then peaked at 11.7 GB instead
of 10.9 GB, and the update of a kernel of 131072 x 1024 by two rows took 0.24 s instead of 0.15 s.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import NamedTuple

import keras
from keras import KerasTensor

from ugatit_tf.ops.scopes import setting


class DenseCall(NamedTuple):
    """One call of a `LargeDense`, from which the gradient of its kernel can be computed.

    Attributes:
        kernel: the layer's kernel, `[K, units]`.
        inputs: the inputs of the call, `[N, K]`.
        outputs: the outputs of the call, `[N, units]`.
    """

    kernel: keras.Variable
    inputs: KerasTensor
    outputs: KerasTensor


_recordings: ContextVar[tuple[list[DenseCall], ...]] = ContextVar("recordings", default=())


@contextlib.contextmanager
def recorded_calls() -> Iterator[list[DenseCall]]:
    """Yields a list that collects the calls of every `LargeDense` inside the block, in their order."""
    calls: list[DenseCall] = []
    with setting(_recordings, (*_recordings.get(), calls)):
        yield calls


@keras.saving.register_keras_serializable("ugatit_tf")
class LargeDense(keras.layers.Dense):
    """A Dense layer without an activation that adds its calls to the lists of `recorded_calls`."""

    def call(self, inputs: KerasTensor, training: bool | None = None) -> KerasTensor:
        outputs = super().call(inputs, training=training)
        for calls in _recordings.get():
            calls.append(DenseCall(self.kernel, inputs, outputs))
        return outputs
