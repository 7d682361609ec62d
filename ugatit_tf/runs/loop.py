"""The training loop: takes the steps, and logs, saves, scores and draws samples where that is due."""

from collections.abc import Callable, Iterator

import tensorflow as tf

from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.distribution.team import SharedStop
from ugatit_tf.runs import memory
from ugatit_tf.runs.console import Console
from ugatit_tf.runs.evaluation import Evaluation
from ugatit_tf.runs.guard import Guard
from ugatit_tf.runs.monitor import Monitor
from ugatit_tf.runs.page import TrainingPage
from ugatit_tf.runs.stepping import Stepper, steps_until_due
from ugatit_tf.runs.summaries import Summaries
from ugatit_tf.system.signals import StopRequest
from ugatit_tf.training.metrics import Metrics
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
        model: a compiled model; restored if the run is resumed.
        batches_from: yields the batches from `first_step` on.
        writer: writes the checkpoints.
        summaries: writes curves and sample grids.
        config: the run's configuration.
        evaluation: scores the checkpoints; None if they are not scored.

    Returns:
        Whether the training is complete.

    Raises:
        RunError: A loss or a gradient is not finite, memory runs out, or a checkpoint cannot be written.
    """
    step = model.steps_taken

    def batch_at(step: int) -> Batch:
        replicas_of = model.distribute_strategy.experimental_local_results
        return tuple(tf.concat(replicas_of(domain), 0) for domain in next(batches_from(first_step=step)))

    reporter = _Reporter(config, model, summaries, evaluation)
    console = reporter.console
    guard = Guard(config, console.say, batch_at)
    console.say("Building the graph: the first step takes longer.")
    try:
        reporter.write_missing(step)
        with StopRequest() as request:
            stop = SharedStop(model.distribute_strategy, request)
            for step, count, taken in _calls(model, batches_from, config):
                guard.add(step - count, taken)
                metrics = {name: tf.reduce_mean(value) for name, value in taken.items()} if count > 1 else taken
                last = step == config.total_steps
                leaving = last or stop.agreed()
                console.update(step, lambda m=metrics: (float(m["d_loss"]), float(m["g_loss"])))
                score = evaluation is not None and evaluation.is_due(step)
                save = leaving or score or step % config.save_freq == 0
                log, draw = (last or step % freq == 0 for freq in (config.log_freq, config.print_freq))
                if save or log or draw:
                    guard.check()
                if log:
                    reporter.log(step, metrics)
                if save:
                    guard.check_variables(step, model.state)
                    # Before the checkpoint: a resumed run can drop later points, but cannot restore missing ones.
                    reporter.page.write()
                    console.say(f"Saved step {step} to {writer.save(step)}")
                if score:
                    reporter.evaluate(step)
                if draw:
                    reporter.draw(step)
                if save or log or draw:
                    reporter.observe(step, metrics, write=save)
                if leaving:
                    break
    finally:
        reporter.close()
    return step == config.total_steps


def follow(model: UGATIT, batches_from: Callable[..., Iterator[Batch]], config: Config) -> None:
    """Trains as a worker, while the chief runs `train` with the same model and configuration."""
    with StopRequest() as request:
        stop = SharedStop(model.distribute_strategy, request)
        for step, _, _ in _calls(model, batches_from, config):
            if step < config.total_steps and stop.agreed():
                break


def _calls(
    model: UGATIT, batches_from: Callable[..., Iterator[Batch]], config: Config
) -> Iterator[tuple[int, int, Metrics]]:
    """Takes the remaining steps; yields completed steps, steps of the call and their metrics after each call."""
    stepper = Stepper(model, config)
    step = model.steps_taken
    batches = batches_from(first_step=step)
    while step < config.total_steps:
        count = steps_until_due(step, config)
        with memory.advice(config):
            metrics = stepper.run([next(batches) for _ in range(count)])
        step += count
        yield step, count, metrics


class _Reporter:
    """Passes steps, samples and scores to console, TensorBoard, page and status; the arguments are those of `train`."""

    def __init__(self, config: Config, model: UGATIT, summaries: Summaries, evaluation: Evaluation | None) -> None:
        step = model.steps_taken
        self._print_freq = config.print_freq
        self._model = model
        self._summaries = summaries
        self._evaluation = evaluation
        self.console = Console(config, step)
        self._monitor = Monitor(config, step, self.console.say, summaries.write_text)
        self.page = TrainingPage(config, step, self.console.say)

    def write_missing(self, step: int) -> None:
        """Writes the samples and scores of the restored step if the run was killed between its save and them."""
        if step and step % self._print_freq == 0 and not self._summaries.has_samples(step):
            self.draw(step)
        if self._evaluation and self._evaluation.is_missing(step):
            self.evaluate(step)

    def log(self, step: int, metrics: Metrics) -> None:
        """Writes a step's losses."""
        self._summaries.write_scalars(step, metrics)
        self.page.add_point(step, metrics)

    def draw(self, step: int) -> None:
        """Draws and writes the sample pictures of a step."""
        grids = self._summaries.write_samples(step, self._model)
        self._monitor.observe_samples(step, grids)
        self.page.add_samples(step, grids)

    def evaluate(self, step: int) -> None:
        """Scores the checkpoint of a step; the rate of training leaves this time out."""
        with self.console.paused(), self._monitor.paused():
            entry = self._evaluation.evaluate(step, self.console.say)
        if entry is not None:
            self._summaries.write_scalars(step, entry.scalars)
            self._monitor.note(step, "score", self._evaluation.worsened())

    def observe(self, step: int, metrics: Metrics, *, write: bool) -> None:
        """Updates status and page; `write` says whether the status has to be on disk now."""
        self.page.observe(self._monitor.observe(step, metrics, write=write))

    def close(self) -> None:
        """Closes the page, the event file and the console."""
        self.page.close()
        self._summaries.close()
        self.console.close()
