"""A run's `status.json`, which says where the run stands, also while it trains. Needs no TensorFlow."""

import dataclasses
import datetime
import math
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ugatit_tf import json_files
from ugatit_tf.checkpoints.folder import STATUS_FILE
from ugatit_tf.config import Config
from ugatit_tf.runs.observers import Alarm, Clock, Due, Observer
from ugatit_tf.system.files import write_atomically

if TYPE_CHECKING:
    from ugatit_tf.runs.health import Watch

NETWORKS = ("discriminator_A", "discriminator_B", "generator_A", "generator_B")  # begin a metric's name; as in a step
_SECONDS_BETWEEN_WRITES = 5.0
_POINTS = 100  # the rate is computed over at most so many reported steps


@dataclasses.dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        step: completed steps.
        total_steps: steps of the whole training.
        iteration: steps in an epoch.
        steps_per_second: the present rate, without the time of samples, scores and saves; None if it is not known yet.
        metrics: the metrics of the last reported step; None for a number that was not finite.
        warnings: all warnings of the run.
        memory: what its `Watch` remembers.
        written: the time of writing, in seconds since 1970.
    """

    step: int
    total_steps: int
    iteration: int
    steps_per_second: float | None
    metrics: dict[str, float | None]
    warnings: tuple[Alarm, ...]
    memory: dict[str, Any]
    written: float

    @property
    def place(self) -> str:
        """How far the run is, such as "1,200 of 2,000 (60.0%), epoch 5 of 8"."""
        epoch, epochs = max(1, -(-self.step // self.iteration)), self.total_steps // self.iteration
        return f"{self.step:,} of {self.total_steps:,} ({self.step / self.total_steps:.1%}), epoch {epoch} of {epochs}"

    @property
    def pace(self) -> str:
        """The rate and the time left, such as "2.5 steps/s, about 0:05:20 left"."""
        if self.steps_per_second is None:
            return "not known yet"
        missing = self.total_steps - self.step
        left = f"about {duration(missing / self.steps_per_second)} left" if missing else "complete"
        return f"{self.steps_per_second:.3g} steps/s, {left}"


def duration(seconds: float) -> str:
    """Returns seconds as hours, minutes and seconds, such as "0:05:20"."""
    return str(datetime.timedelta(seconds=round(seconds)))


def write(folder: Path, status: Status) -> None:
    """Writes a run's `status.json`.

    Raises:
        RunError: The file cannot be written.
    """
    write_atomically(folder / STATUS_FILE, json_files.dumps(status, indent=2))


def read(folder: Path) -> Status | None:
    """Reads a run's status; returns None if there is none, as in a converted run, or if another version wrote it."""
    return json_files.read_if_valid(folder / STATUS_FILE, Status)


class StatusFile(Observer):
    """Writes `status.json`: after each save, at the stop, and every few seconds in between.

    Args:
        config: the run's configuration.
        first_step: completed steps.
        watch: gives the warnings of the run.
        clock: the clock of the training.
    """

    failure = "%s. --phase status knows nothing newer; the training goes on."

    def __init__(self, config: Config, first_step: int, watch: "Watch", clock: Clock) -> None:
        self._config = config
        self._watch = watch
        self._clock = clock
        self._step = first_step
        self._metrics: dict[str, float | None] = {}
        self._points: deque[tuple[int, float]] = deque(maxlen=_POINTS)  # (step, time)
        self._written = -math.inf

    @property
    def current(self) -> Status:
        """The status now."""
        rate = None
        if self._points:
            (first, then), (last, now) = self._points[0], self._points[-1]
            rate = (last - first) / (now - then) if now > then else None
        return Status(
            self._step,
            self._config.total_steps,
            self._config.iteration,
            steps_per_second=rate,
            metrics=self._metrics,
            warnings=tuple(self._watch.alarms),
            memory=self._watch.memory,
            written=time.time(),
        )

    def on_report(self, step: int, metrics: Mapping[str, float], due: Due) -> None:
        self._step = step
        self._metrics = {name: number if math.isfinite(number) else None for name, number in metrics.items()}
        self._points.append((step, self._clock.seconds))
        if self._clock.seconds - self._written >= _SECONDS_BETWEEN_WRITES:
            self._write()

    def on_save(self, step: int, prefix: Path) -> None:
        self._write()

    def on_stop(self) -> None:
        if self._points:  # the run has got further than its file says
            self._write()

    def _write(self) -> None:
        write(self._config.run_checkpoint_dir, self.current)
        self._written = self._clock.seconds
