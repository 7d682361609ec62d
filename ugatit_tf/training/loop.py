"""The training loop: steps, and what is due after each."""

from collections.abc import Iterator

import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.training import memory
from ugatit_tf.training.checkpoints import CheckpointWriter
from ugatit_tf.training.console import Console
from ugatit_tf.training.monitor import Monitor
from ugatit_tf.training.stop import StopRequest
from ugatit_tf.training.summaries import Summaries
from ugatit_tf.training.ugatit import UGATIT


def train(
    model: UGATIT, batches: Iterator[Batch], writer: CheckpointWriter, summaries: Summaries, config: Config
) -> bool:
    """Trains from the model's step to the last, or until asked to stop; the last step is always saved.

    Args:
        model: compiled; restored where the run goes on.
        batches: beginning with the batch of the model's step.
        writer: of the checkpoints.
        summaries: of curves and sample grids.
        config: of the run.

    Returns:
        Whether the training is complete.

    Raises:
        RunError: where memory runs out, or a checkpoint cannot be written.
    """
    # Nothing here depends on a tensor's value in Python: autograph would only make tracing slower.
    train_step = tf.function(model.train_step, autograph=False)
    step = int(model.step)
    console = Console(config, step)
    monitor = Monitor(config, step, console.say, summaries.write_text)
    console.say("Building the graph: the first step takes longer.")
    try:
        with StopRequest() as stop:
            while step < config.total_steps:
                with memory.advice(config):
                    metrics = train_step(next(batches))
                step += 1
                last = step == config.total_steps
                leaving = last or stop.requested
                console.update(step, lambda m=metrics: (float(m["d_loss"]), float(m["g_loss"])))
                save = leaving or step % config.save_freq == 0
                if save:
                    console.say(f"Saved step {step} to {writer.save(step)}")
                if last or step % config.log_freq == 0:
                    summaries.write_scalars(step, metrics)
                if last or step % config.print_freq == 0:
                    monitor.observe_samples(step, summaries.write_samples(step, model))
                if save or step % config.log_freq == 0:
                    monitor.observe(step, metrics, write=save)
                if leaving:
                    break
    finally:
        summaries.close()
        console.close()
    return step == config.total_steps
