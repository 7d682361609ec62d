"""The training loop: steps, and what is due after each."""

from collections.abc import Callable, Iterator

import tensorflow as tf

from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.runs import memory
from ugatit_tf.runs.console import Console
from ugatit_tf.runs.guard import Guard
from ugatit_tf.runs.monitor import Monitor
from ugatit_tf.runs.page import TrainingPage
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
) -> bool:
    """Trains from the model's step to the last, or until asked to stop; the last step is always saved.

    Args:
        model: compiled; restored where the run goes on.
        batches_from: gives the batches from `first_step` on.
        writer: of the checkpoints.
        summaries: of curves and sample grids.
        config: of the run.

    Returns:
        Whether the training is complete.

    Raises:
        RunError: where a loss or a gradient is not finite, memory runs out, or a checkpoint cannot be written.
    """
    stepper = Stepper(model, config)
    frequencies = (config.log_freq, config.print_freq, config.save_freq)
    step = int(model.step)
    batches = batches_from(first_step=step)
    console = Console(config, step)
    monitor = Monitor(config, step, console.say, summaries.write_text)
    guard = Guard(config, console.say, lambda step: next(batches_from(first_step=step)))
    page = TrainingPage(config, step, console.say)
    console.say("Building the graph: the first step takes longer.")

    def draw_samples(step: int) -> None:
        grids = summaries.write_samples(step, model)
        monitor.observe_samples(step, grids)
        page.add_samples(step, grids)

    try:
        if step and step % config.print_freq == 0 and not summaries.has_samples(step):  # killed just after that save
            draw_samples(step)
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
                save = leaving or step % config.save_freq == 0
                log, draw = (last or step % freq == 0 for freq in (config.log_freq, config.print_freq))
                if save or log or draw:
                    guard.check()
                if log:
                    summaries.write_scalars(step, metrics)
                    page.add_point(step, metrics)
                if save:
                    guard.check_variables(step, model.state)
                    page.write()  # before: points of later steps can be dropped, missing ones not be had again
                    console.say(f"Saved step {step} to {writer.save(step)}")
                if draw:
                    draw_samples(step)
                if save or log or draw:
                    page.observe(monitor.observe(step, metrics, write=save))
                if leaving:
                    break
    finally:
        page.close()
        summaries.close()
        console.close()
    return step == config.total_steps
