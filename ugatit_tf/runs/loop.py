"""The training loop: steps, and what is due after each."""

from collections.abc import Callable, Iterator

import tensorflow as tf

from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.runs import memory
from ugatit_tf.runs.console import Console
from ugatit_tf.runs.evaluation import Evaluation
from ugatit_tf.runs.guard import Guard
from ugatit_tf.runs.monitor import Monitor
from ugatit_tf.runs.stepping import Stepper, steps_until_due
from ugatit_tf.runs.summaries import Summaries
from ugatit_tf.system.signals import StopRequest
from ugatit_tf.training.ugatit import UGATIT


def train(
    model: UGATIT,
    batches_from: Callable[..., Iterator[Batch]],
    writer: CheckpointWriter,
    summaries: Summaries,
    config: Config,
    *,
    evaluation: Evaluation | None = None,
) -> bool:
    """Trains from the model's step to the last, or until asked to stop; the last step is always saved.

    Args:
        model: compiled; restored where the run goes on.
        batches_from: gives the batches from `first_step` on.
        writer: of the checkpoints.
        summaries: of curves and sample grids.
        config: of the run.
        evaluation: scores the checkpoints; None: they are not scored.

    Returns:
        Whether the training is complete.

    Raises:
        RunError: where a loss or a gradient is not finite, memory runs out, or a checkpoint cannot be written.
    """
    stepper = Stepper(model, config)
    frequencies = [config.log_freq, config.print_freq, config.save_freq, config.evaluate_freq]
    frequencies = [frequency for frequency in frequencies if frequency]
    step = int(model.step)
    batches = batches_from(first_step=step)
    console = Console(config, step)
    monitor = Monitor(config, step, console.say, summaries.write_text)
    guard = Guard(config, console.say, lambda step: next(batches_from(first_step=step)))
    console.say("Building the graph: the first step takes longer.")
    try:
        if step and step % config.print_freq == 0 and not summaries.has_samples(step):  # killed just after that save
            monitor.observe_samples(step, summaries.write_samples(step, model))
        if evaluation and evaluation.is_missing(step):
            _evaluate(evaluation, step, console, monitor, summaries)
        with StopRequest() as stop:
            while step < config.total_steps:
                count = steps_until_due(step, config.steps_per_call, config.total_steps, frequencies)
                with memory.advice(config):
                    taken = stepper.run([next(batches) for _ in range(count)])
                guard.add(step, taken)
                step += count
                metrics = {name: tf.reduce_mean(value) for name, value in taken.items()} if count > 1 else taken
                last = step == config.total_steps
                leaving = last or stop.requested
                console.update(step, lambda m=metrics: (float(m["d_loss"]), float(m["g_loss"])))
                score = evaluation is not None and evaluation.is_due(step)
                save = leaving or score or step % config.save_freq == 0
                log, draw = (last or step % freq == 0 for freq in (config.log_freq, config.print_freq))
                if save or log or draw:
                    guard.check()
                if log:
                    summaries.write_scalars(step, metrics)
                if save:
                    guard.check_variables(step, model.state)
                    console.say(f"Saved step {step} to {writer.save(step)}")
                if score:
                    _evaluate(evaluation, step, console, monitor, summaries)
                if draw:
                    monitor.observe_samples(step, summaries.write_samples(step, model))
                if save or log:
                    monitor.observe(step, metrics, write=save)
                if leaving:
                    break
    finally:
        summaries.close()
        console.close()
    return step == config.total_steps


def _evaluate(evaluation: Evaluation, step: int, console: Console, monitor: Monitor, summaries: Summaries) -> None:
    """Scores the checkpoint of a step, beside the clocks that measure the training."""
    with console.paused(), monitor.paused():
        entry = evaluation.evaluate(step, console.say)
    if entry is not None:
        summaries.write_scalars(step, entry.scalars)
        monitor.note(step, "score", evaluation.worsened())
