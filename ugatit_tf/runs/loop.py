"""The training loop: takes the steps, and logs, saves, scores and draws samples where that is due."""

import logging
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf

from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.distribution.team import SharedStop
from ugatit_tf.runs import memory
from ugatit_tf.runs.console import Console
from ugatit_tf.runs.evaluation import Evaluation
from ugatit_tf.runs.guard import Guard
from ugatit_tf.runs.health import Watch
from ugatit_tf.runs.observers import Clock, Due, Observer, Observers
from ugatit_tf.runs.page import TrainingPage
from ugatit_tf.runs.status import StatusFile
from ugatit_tf.runs.stepping import Stepper, steps_until_due
from ugatit_tf.runs.summaries import Curves, SampleFolder, draw_samples, has_samples
from ugatit_tf.system.signals import StopRequest
from ugatit_tf.training.objective import Metrics
from ugatit_tf.training.ugatit import UGATIT

_log = logging.getLogger(__name__)


def train(
    model: UGATIT,
    batches_from: Callable[..., Iterator[Batch]],
    writer: CheckpointWriter,
    config: Config,
    *,
    samples: Mapping[str, np.ndarray],
    observers: Observers,
    evaluation: Evaluation | None = None,
) -> bool:
    """Trains from the model's step to the last, or until asked to stop; the last step is always saved.

    Args:
        model: a compiled model; restored if the run is resumed.
        batches_from: yields the batches from `first_step` on.
        writer: writes the checkpoints.
        config: the run's configuration.
        samples: the images of "A" and "B" that the sample pictures show, uint8 `[N, S, S, C]`.
        observers: the displays of the run.
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

    def score(step: int) -> None:
        entry = evaluation.evaluate(step)
        if entry is not None:
            observers.report(Observer.on_score, step, entry.scalars, evaluation.worsened())

    def sample(step: int) -> None:
        observers.report(Observer.on_samples, step, draw_samples(model, samples))

    guard = Guard(config, batch_at)
    observers.report(Observer.on_start)
    _log.info("Building the graph: the first step takes longer.")
    try:
        # A run that was killed after a save lacks the samples and the score of that step.
        if step and step % config.print_freq == 0 and not has_samples(config, step):
            sample(step)
        if evaluation and evaluation.is_missing(step):
            score(step)
        with StopRequest() as request:
            stop = SharedStop(model.distribute_strategy, request)
            for step, count, taken in _calls(model, batches_from, config):
                guard.add(step - count, taken)
                metrics = {name: tf.reduce_mean(value) for name, value in taken.items()} if count > 1 else taken
                is_last = step == config.total_steps or stop.agreed()
                observers.report(Observer.on_step, step, metrics)
                due = _due(step, config, evaluation, is_last=is_last)
                if any(due):
                    guard.check()
                    # Before the save: a resumed run drops the points of later steps, but cannot restore missing ones.
                    numbers = {name: float(value) for name, value in metrics.items()}
                    observers.report(Observer.on_report, step, numbers, due)
                with observers.clock.paused():
                    if due.save:
                        guard.check_variables(step, model.state)
                        observers.report(Observer.on_save, step, writer.save(step))
                    if due.score:
                        score(step)
                    if due.sample:
                        sample(step)
                if is_last:
                    break
    finally:
        observers.report(Observer.on_stop)
    return step == config.total_steps


def open_observers(config: Config, model: UGATIT) -> Observers:
    """Opens all displays of a run.

    Raises:
        RunError: The folder of the samples or of the curves cannot be made.
    """
    step, clock = model.steps_taken, Clock()
    watch = Watch.resumed(config, step, clock)
    status_file = StatusFile(config, step, watch, clock)
    observers = (
        SampleFolder(config),
        Curves(config, step, model.generator_variables),
        watch,
        status_file,
        TrainingPage(config, step, status_file, clock),
        Console(config, step, clock),
    )
    return Observers(observers, clock)


def _due(step: int, config: Config, evaluation: Evaluation | None, *, is_last: bool) -> Due:
    """Returns what to do after a step; `is_last` says whether the session ends with it."""
    is_complete = step == config.total_steps
    score = evaluation is not None and evaluation.is_due(step)
    return Due(
        log=is_complete or step % config.log_freq == 0,
        save=is_last or score or step % config.save_freq == 0,
        score=score,
        sample=is_complete or step % config.print_freq == 0,
    )


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
