"""The compiled training step; one call of TensorFlow takes one or several steps."""

from collections.abc import Sequence

import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.training.objective import Metrics
from ugatit_tf.training.ugatit import UGATIT


class Stepper:
    """Compiles a model's training step, once, and runs it.

    Args:
        model: a compiled model.
        config: its `jit` says whether XLA compiles the step.
    """

    def __init__(self, model: UGATIT, config: Config) -> None:
        self._strategy = model.distribute_strategy
        # The Python code of a step does not depend on values of tensors: autograph would only slow down the tracing.
        self._step = tf.function(model.train_step, autograph=False, jit_compile=config.jit or None)
        self._steps = tf.function(self._run_all, autograph=False, reduce_retracing=True)

    def run(self, batches: Sequence[Batch]) -> Metrics:
        """Takes a step with each batch, in one call.

        Returns:
            The metrics of `UGATIT.train_step`, each a scalar for one batch and `[N]` for several, in their order.
        """
        with self._strategy.scope():
            if len(batches) == 1:
                return self._step(batches[0])
            return self._steps(tuple(self._strategy.run(_stacked, domain) for domain in zip(*batches, strict=True)))

    def _run_all(self, data: tuple[tf.Tensor, tf.Tensor]) -> Metrics:
        """Takes a step with each batch of `[N, B, H, W, C]`."""

        def step(index: tf.Tensor) -> Metrics:
            return self._step(self._strategy.run(lambda *domains: tuple(domain[index] for domain in domains), data))

        first = step(tf.constant(0))
        others = tf.range(1, tf.shape(self._strategy.experimental_local_results(data[0])[0])[0])
        signature = {name: tf.TensorSpec((), value.dtype) for name, value in first.items()}
        rest = tf.map_fn(step, others, fn_output_signature=signature, parallel_iterations=1)
        return {name: tf.concat([[value], rest[name]], 0) for name, value in first.items()}


def _stacked(*images: tf.Tensor) -> tf.Tensor:
    return tf.stack(images)


def steps_until_due(step: int, config: Config) -> int:
    """Returns how many steps the next call takes.

    It takes at most `steps_per_call`, and none beyond the next log, sample, save, score or last step.

    Args:
        step: completed steps.
        config: the training configuration.
    """
    due = (config.log_freq, config.print_freq, config.save_freq, config.evaluate_freq)
    until_due = (frequency - step % frequency for frequency in due if frequency)
    return min(config.steps_per_call, config.total_steps - step, *until_due)
