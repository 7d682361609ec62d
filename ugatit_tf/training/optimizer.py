"""Adam with the reference's arithmetic, updating in place; gradients given as two factors; the learning rate.

The kernel of the full generator's `LargeDense` has 1.07 GB at 256 px. A gradient of that size is never made: it is kept
as its two factors of a few rows each, whose product is the gradient. One function compiled by XLA then goes over kernel
and moments in place, and computes each number of the gradient where it is used.

Measured: multiplying the factors out to a temporary tensor first took 0.24 s for a kernel of 131072 x 1024 with two
rows, the function takes 0.15 s; the full network's peak with `--recompute` fell from 11.7 GB to 10.9 GB. With more than
12 rows, a matrix product is faster by more than its memory costs, so it is used there.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.ops import uses_cpu_kernels
from ugatit_tf.training import replicas

_LARGE = 2**21  # values of a kernel from which on it and its gradient do not fit in a CPU's cache
_FEW_ROWS = 12  # with more rows, a matrix product saves enough time to justify a temporary tensor of the kernel's size


class FactoredGradient(NamedTuple):
    """The gradient of a Dense kernel, `transpose(inputs) @ upstream`, as its two factors.

    Attributes:
        inputs: inputs of the layer, `[N, K]` with a small N.
        upstream: gradients by the outputs of the layer, `[N, units]`.
    """

    inputs: tf.Tensor
    upstream: tf.Tensor

    def multiplied_out(self) -> tf.Tensor:
        """Returns the product, `[K, units]`. Inside XLA, it is never whole in memory if the factors have few rows."""
        rows = self.inputs.shape[0]
        if rows is None or rows > _FEW_ROWS:
            return tf.matmul(self.inputs, self.upstream, transpose_a=True)
        pairs = zip(tf.unstack(self.inputs), tf.unstack(self.upstream), strict=True)
        return sum(x[:, tf.newaxis] * y for x, y in pairs)

    def half_squared_norm(self) -> tf.Tensor:
        """Computes half the sum of the gradient's squares, as `tf.nn.l2_loss` does, from the factors alone."""
        gram = tf.matmul(self.inputs, self.inputs, transpose_b=True)  # [N, N]
        return tf.reduce_sum(gram * tf.matmul(self.upstream, self.upstream, transpose_b=True)) / 2.0


Gradient = tf.Tensor | FactoredGradient
Schedule = Callable[[tf.Tensor], tf.Tensor]  # from the completed steps to the learning rate


def linear_decay(lr: float, epochs: int, decay_epoch: int, steps_per_epoch: int) -> Schedule:
    """Returns the reference's schedule: constant for `decay_epoch` epochs, then linear decay to 0, epoch by epoch.

    Args:
        lr: learning rate at the start.
        epochs: number of epochs of the whole training; at their end, the rate would be 0.
        decay_epoch: number of epochs before the decay begins.
        steps_per_epoch: number of steps in an epoch.

    Returns:
        A function from the completed steps, an integer scalar, to the learning rate, a float scalar.
    """

    def rate(step: tf.Tensor) -> tf.Tensor:
        epoch = tf.cast(step // steps_per_epoch, keras.config.floatx())
        fraction = (epochs - epoch) / max(epochs - decay_epoch, 1)
        return lr * tf.clip_by_value(fraction, 0.0, 1.0)

    return rate


@keras.saving.register_keras_serializable("ugatit_tf")
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam with one fused operation per variable: TensorFlow's ResourceApplyAdam, or a function made by XLA.

    Numbers, variables and checkpoints equal those of Keras' Adam. There is no temporary tensor of a weight's size, and
    a tenth of the operations to trace. Of Adam's options, only the learning rate, the betas and epsilon have an effect.
    Sparse gradients are not supported.
    """

    @property
    def slots(self) -> list[tuple[keras.Variable, keras.Variable, keras.Variable]]:
        """Returns each trained variable with its first and second moment."""
        return list(zip(self._trainable_variables, self._momentums, self._velocities, strict=True))

    def apply(
        self,
        grads: Sequence[Gradient],
        trainable_variables: Sequence[keras.Variable] | None = None,
        decays: Sequence[float] | None = None,
    ) -> None:
        """Updates variables, and applies their constraints.

        Variables with factored gradients are updated last. The features from which the other gradients were computed
        are then no longer in memory.

        Args:
            grads: one gradient per variable.
            trainable_variables: variables that the optimizer was built with; None for all of them.
            decays: for each variable, the factor of L2 regularization: variable times factor is added to the gradient.
                None for 0.
        """
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        triples = list(zip(grads, variables, decays or [0.0] * len(variables), strict=True))
        triples.sort(key=lambda triple: isinstance(triple[0], FactoredGradient))
        slots, shared = self.slots, self._shared_arguments()
        constants = {decay: tf.constant(decay, shared["lr"].dtype) for decay in {triple[2] for triple in triples}}
        updates: list[tf.Operation | tf.Tensor] = []
        for gradient, variable, decay in triples:
            var, m, v = map(replicas.local, slots[self._get_variable_index(variable)])
            if isinstance(gradient, FactoredGradient):
                with tf.control_dependencies(updates):
                    _update_in_one_pass((var, m, v), gradient, constants[decay], shared)
            elif decay and var.shape.num_elements() >= _LARGE and uses_cpu_kernels():
                updates.append(_update_in_one_pass((var, m, v), gradient, constants[decay], shared))
            else:
                if decay:
                    # Wait for the gradient. Otherwise the products of all variables could be in memory at once, as
                    # much as a copy of all weights.
                    with tf.control_dependencies([gradient]):
                        gradient = gradient + constants[decay] * var  # noqa: PLW2901
                handles = {"var": var.handle, "m": m.handle, "v": v.handle}
                updates.append(tf.raw_ops.ResourceApplyAdam(**handles, grad=gradient, **shared))
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        replicas.local(self.iterations).assign_add(1)

    def _shared_arguments(self) -> dict[str, tf.Tensor]:
        lr = tf.convert_to_tensor(self.learning_rate)  # read once instead of once per variable
        step = tf.cast(self.iterations.value + 1, lr.dtype)
        beta1, beta2 = (tf.constant(beta, lr.dtype) for beta in (self.beta_1, self.beta_2))
        return {
            "beta1_power": tf.pow(beta1, step),
            "beta2_power": tf.pow(beta2, step),
            "lr": lr,
            "beta1": beta1,
            "beta2": beta2,
            "epsilon": tf.constant(self.epsilon, lr.dtype),
        }


@tf.function(jit_compile=True, autograph=False)
def _update_in_one_pass(
    slots: tuple[tf.Variable, ...], gradient: Gradient, decay: tf.Tensor, shared: dict[str, tf.Tensor]
) -> tf.Tensor:
    """Computes ResourceApplyAdam in loops that write in place, and multiplies a factored gradient out as it is used.

    Returns:
        A scalar on which operations can depend that must wait for the update.
    """
    var, m, v = slots
    gradient = (gradient.multiplied_out() if isinstance(gradient, FactoredGradient) else gradient) + decay * var
    rate = shared["lr"] * tf.sqrt(1.0 - shared["beta2_power"]) / (1.0 - shared["beta1_power"])
    m.assign_add((gradient - m) * (1.0 - shared["beta1"]))
    v.assign_add((tf.square(gradient) - v) * (1.0 - shared["beta2"]))
    var.assign_sub(rate * m / (tf.sqrt(v) + shared["epsilon"]))
    return rate
