"""Adam as the reference has it, updated in place."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf


class FactoredGradient(NamedTuple):
    """A kernel's gradient, `transpose(inputs) @ upstream`, as its factors: `[N, K]` and `[N, units]` with a small N."""

    inputs: tf.Tensor
    upstream: tf.Tensor

    def half_squared_norm(self) -> tf.Tensor:
        """Half the sum of the gradient's squares, as `tf.nn.l2_loss` has it."""
        gram = tf.matmul(self.inputs, self.inputs, transpose_b=True)  # [N, N]
        return tf.reduce_sum(gram * tf.matmul(self.upstream, self.upstream, transpose_b=True)) / 2.0


Gradient = tf.Tensor | FactoredGradient


@keras.saving.register_keras_serializable("ugatit_tf")
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam, its arithmetic done by TensorFlow's one fused kernel a variable.

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

        Factored gradients are multiplied out last, one at a time: by then, nothing that the others were derived from is
        in memory any more.

        Args:
            grads: one a variable.
            trainable_variables: among those that the optimizer was built with; None for all of them.
            decays: for each variable, what share of itself is added to its gradient (L2 regularisation); None for 0.
        """
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        triples = list(zip(grads, variables, decays or [0.0] * len(variables), strict=True))
        triples.sort(key=lambda triple: isinstance(triple[0], FactoredGradient))
        shared = self._shared_arguments()
        updates: list[tf.Operation] = []
        for gradient, variable, decay in triples:
            if isinstance(gradient, FactoredGradient):
                with tf.control_dependencies(updates):
                    gradient = _multiplied_out(*gradient, variable.value, tf.constant(decay))  # noqa: PLW2901
            elif decay:
                with tf.control_dependencies([gradient]):  # not sooner: all of them at once are a copy of the weights
                    gradient = gradient + decay * variable.value  # noqa: PLW2901
            updates.append(self._update(gradient, variable, shared))
        self.iterations.assign_add(1)

    def _shared_arguments(self) -> dict[str, tf.Tensor]:
        step = tf.cast(self.iterations.value + 1, tf.float32)
        return {
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
            "lr": self.learning_rate.value,
            "beta1": tf.constant(self.beta_1),
            "beta2": tf.constant(self.beta_2),
            "epsilon": tf.constant(self.epsilon),
        }

    def _update(self, gradient: tf.Tensor, variable: keras.Variable, shared: dict[str, tf.Tensor]) -> tf.Operation:
        index = self._get_variable_index(variable)
        update = tf.raw_ops.ResourceApplyAdam(
            var=variable.value.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            grad=gradient,
            **shared,
        )
        if variable.constraint is not None:
            variable.assign(variable.constraint(variable))
        return update


@tf.function(jit_compile=True, autograph=False)  # one loop over the gradient, where two operations would hold it twice
def _multiplied_out(inputs: tf.Tensor, upstream: tf.Tensor, kernel: tf.Tensor, decay: tf.Tensor) -> tf.Tensor:
    return tf.matmul(inputs, upstream, transpose_a=True) + decay * kernel
