"""Training steps, one or several in a call of TensorFlow's runtime."""

from collections.abc import Sequence

import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.training.metrics import Metrics
from ugatit_tf.training.ugatit import UGATIT


class Stepper:
    """Compiles a model's training step, once, and runs it.

    Args:
        model: compiled.
        config: says whether XLA compiles the step.
    """

    def __init__(self, model: UGATIT, config: Config) -> None:
        # Nothing in a step depends on a tensor's value in Python: autograph would only make tracing slower.
        self._step = tf.function(model.train_step, autograph=False, jit_compile=config.jit or None)
        self._steps = tf.function(self._run_all, autograph=False, reduce_retracing=True)

    def run(self, batches: Sequence[Batch]) -> Metrics:
        """Takes a step with each batch, in one call.

        Returns:
            The metrics of `UGATIT.train_step`, each a scalar for one batch and `[N]` for several, in their order.
        """
        if len(batches) == 1:
            return self._step(batches[0])
        return self._steps(tuple(tf.stack(domain) for domain in zip(*batches, strict=True)))

    def _run_all(self, data: tuple[tf.Tensor, tf.Tensor]) -> Metrics:
        batch = tuple(tf.TensorSpec(domain.shape[1:], domain.dtype) for domain in data)
        outputs = self._step.get_concrete_function(batch).structured_outputs
        signature = {name: tf.TensorSpec((), value.dtype) for name, value in outputs.items()}
        return tf.map_fn(self._step, data, fn_output_signature=signature, parallel_iterations=1)


def steps_until_due(step: int, most: int, total: int, frequencies: Sequence[int]) -> int:
    """How many steps the next call may take: up to `most`, the last step, or the next that is followed by something.

    Args:
        step: those taken.
        most: in a call.
        total: of the training.
        frequencies: after every how many steps something is due.
    """
    return min(most, total - step, *(frequency - step % frequency for frequency in frequencies))
