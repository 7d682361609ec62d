"""Adam as the reference has it, updated in place."""

from collections.abc import Sequence

import keras
import tensorflow as tf


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

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: Sequence[keras.Variable] | None = None) -> None:
        """Updates variables, and then applies their constraints.

        Args:
            grads: one a variable.
            trainable_variables: among those that the optimizer was built with; None for all of them.
        """
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        step = tf.cast(self.iterations.value + 1, tf.float32)
        shared = {
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
            "lr": self.learning_rate.value,
            "beta1": tf.constant(self.beta_1),
            "beta2": tf.constant(self.beta_2),
            "epsilon": tf.constant(self.epsilon),
        }
        for gradient, variable in zip(grads, variables, strict=True):
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                grad=gradient,
                **shared,
            )
            if variable.constraint is not None:
                variable.assign(variable.constraint(variable))
        self.iterations.assign_add(1)
