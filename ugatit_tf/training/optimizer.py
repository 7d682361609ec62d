"""Adam as the reference has it, updated in place."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.ops import uses_cpu_kernels
from ugatit_tf.training import replicas

_LARGE = 2**21  # values of a kernel: where it and its gradient are not in a CPU's cache any more
_FEW_ROWS = 12  # beyond, a matrix product and a temporary as large as the kernel are worth their memory in time


class FactoredGradient(NamedTuple):
    """A kernel's gradient, `transpose(inputs) @ upstream`, as its factors: `[N, K]` and `[N, units]` with a small N."""

    inputs: tf.Tensor
    upstream: tf.Tensor

    def multiplied_out(self) -> tf.Tensor:
        """The gradient; compiled by XLA, it is never whole in memory where the factors have few rows."""
        rows = self.inputs.shape[0]
        if rows is None or rows > _FEW_ROWS:
            return tf.matmul(self.inputs, self.upstream, transpose_a=True)
        pairs = zip(tf.unstack(self.inputs), tf.unstack(self.upstream), strict=True)
        return sum(x[:, tf.newaxis] * y for x, y in pairs)

    def half_squared_norm(self) -> tf.Tensor:
        """Half the sum of the gradient's squares, as `tf.nn.l2_loss` has it."""
        gram = tf.matmul(self.inputs, self.inputs, transpose_b=True)  # [N, N]
        return tf.reduce_sum(gram * tf.matmul(self.upstream, self.upstream, transpose_b=True)) / 2.0


Gradient = tf.Tensor | FactoredGradient


@keras.saving.register_keras_serializable("ugatit_tf")
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam, its arithmetic done by one fused kernel a variable: TensorFlow's, or one that XLA makes.

    The same numbers, variables and checkpoints; no temporary of the weight's size, and a tenth of the operations to
    trace. Of Adam's options, the betas and epsilon count; there are no sparse gradients.
    """

    @property
    def slots(self) -> list[tuple[keras.Variable, keras.Variable, keras.Variable]]:
        """Each variable that is trained, with its first and its second moment."""
        return list(zip(self._trainable_variables, self._momentums, self._velocities, strict=True))

    def apply(
        self,
        grads: Sequence[Gradient],
        trainable_variables: Sequence[keras.Variable] | None = None,
        decays: Sequence[float] | None = None,
    ) -> None:
        """Updates variables, and then applies their constraints.

        Factored gradients come last: by then, nothing that the others were derived from is in memory any more.

        Args:
            grads: one a variable.
            trainable_variables: among those that the optimizer was built with; None for all of them.
            decays: for each variable, what share of itself is added to its gradient (L2 regularisation); None for 0.
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
                    with tf.control_dependencies([gradient]):  # not sooner: all at once are a copy of the weights
                        gradient = gradient + constants[decay] * var  # noqa: PLW2901
                handles = {"var": var.handle, "m": m.handle, "v": v.handle}
                updates.append(tf.raw_ops.ResourceApplyAdam(**handles, grad=gradient, **shared))
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        replicas.local(self.iterations).assign_add(1)

    def _shared_arguments(self) -> dict[str, tf.Tensor]:
        lr = tf.convert_to_tensor(self.learning_rate)  # read once, not for each variable
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
    """What ResourceApplyAdam does, in loops that write in place and make the gradient's numbers where they use them.

    Returns:
        A scalar that is there when that is done.
    """
    var, m, v = slots
    gradient = (gradient.multiplied_out() if isinstance(gradient, FactoredGradient) else gradient) + decay * var
    rate = shared["lr"] * tf.sqrt(1.0 - shared["beta2_power"]) / (1.0 - shared["beta1_power"])
    m.assign_add((gradient - m) * (1.0 - shared["beta1"]))
    v.assign_add((tf.square(gradient) - v) * (1.0 - shared["beta2"]))
    var.assign_sub(rate * m / (tf.sqrt(v) + shared["epsilon"]))
    return rate
