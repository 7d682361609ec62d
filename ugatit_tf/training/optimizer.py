"""Adam as the reference has it, updated in place."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("ugatit_tf")
class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam, its arithmetic done by TensorFlow's one fused kernel a variable.

    The same numbers, variables and checkpoints; no temporary of the weight's size, and a third of the operations to
    trace. Neither `amsgrad` nor sparse gradients.
    """

    @property
    def slots(self) -> list[tuple[keras.Variable, keras.Variable, keras.Variable]]:
        """Each variable that is trained, with its first and its second moment."""
        return list(zip(self._trainable_variables, self._momentums, self._velocities, strict=True))

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )
