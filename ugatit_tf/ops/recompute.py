"""Trading work for memory: layers whose features are computed again for the gradients instead of being kept."""

from collections.abc import Callable

import keras
from keras import KerasTensor

from ugatit_tf.ops.precision import compute_dtype, current_compute_dtype
from ugatit_tf.ops.tracing import read

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

Function = Callable[..., KerasTensor]


def recomputed(layer: keras.layers.Layer) -> Function:
    """Makes a layer keep nothing but its inputs for its gradients.

    Args:
        layer: of tensors to one tensor; a call must not change any of its variables.
    """
    variables = layer.trainable_variables
    dtype = current_compute_dtype()

    def call(*tensors: KerasTensor) -> KerasTensor:
        values, inputs = tensors[: len(variables)], tensors[len(variables) :]
        with compute_dtype(dtype):
            return layer.stateless_call(values, [], *inputs)[0]

    remembering_inputs = _remat(call)
    return lambda *inputs: remembering_inputs(*map(read, variables), *inputs)


def _remat(function: Function) -> Function:
    """As `keras.remat`, which on TensorFlow copies every argument, kernels included."""
    if keras.backend.backend() != "tensorflow":
        return keras.remat(function)

    @tf.custom_gradient
    def forward(*inputs: tf.Tensor) -> tuple[tf.Tensor, Function]:
        def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
            # Not before the gradient gets here: nothing would be won by having all features at once again.
            with tf.control_dependencies([upstream]), tf.GradientTape() as tape:
                again = [tf.identity(x) for x in inputs]
                tape.watch(again)
                outputs = function(*again)
            return tape.gradient(outputs, again, upstream)

        return function(*inputs), gradient

    # Read out here: outside of a graph, a variable among the inputs would have to be differentiated by as such.
    return lambda *inputs: forward(*map(tf.convert_to_tensor, inputs))
