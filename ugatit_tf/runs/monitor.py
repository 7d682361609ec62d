"""Monitor of a run: passes its numbers to the health watch and writes `status.json`."""

import contextlib
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import SupportsFloat

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.runs import status
from ugatit_tf.runs.health import Watch, sample_statistics
from ugatit_tf.runs.status import Alarm, Status

_SECONDS_BETWEEN_WRITES = 5.0
_POINTS = 100  # the rate is computed over at most so many logged steps


class Monitor:
    """Watches a session of a run, and writes its status.

    Args:
        config: the run's configuration.
        first_step: completed steps.
        say: prints a line.
        write_text: writes a text to TensorBoard, given step, name and text.
        clock: returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        config: Config,
        first_step: int,
        say: Callable[[str], None],
        write_text: Callable[[int, str, str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._say = say
        self._write_text = write_text
        self._clock = clock
        earlier = (
            status.read(config.run_checkpoint_dir) if first_step else None
        )  # else the file is of an earlier run without checkpoints
        # Warnings of later steps do not count: the restored checkpoint is older, and those steps are taken again.
        warnings = [alarm for alarm in earlier.warnings if alarm.step <= first_step] if earlier else ()
        self._watch = Watch(config, warnings, earlier and earlier.memory)
        self._points: deque[tuple[int, float]] = deque(maxlen=_POINTS)  # (step, time)
        self._written = -math.inf
        self._failed = False
        self._paused = 0.0

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the time inside the context out of the rate."""
        start = self._clock()
        try:
            yield
        finally:
            self._paused += self._clock() - start

    def observe(self, step: int, metrics: Mapping[str, SupportsFloat], *, write: bool) -> Status:
        """Checks a step's metrics, writes the status if it is due, and returns it.

        Args:
            step: completed steps.
            metrics: those that `UGATIT.train_step` returns; reading them waits for the device.
            write: whether to write `status.json` now, as after a save; otherwise it is written every few seconds.
        """
        now = self._clock() - self._paused
        numbers = {name: float(value) for name, value in metrics.items()}
        self._points.append((step, now))
        self._warn(self._watch.observe(step, numbers, now))
        current = self._status(step, numbers)
        if write or now - self._written >= _SECONDS_BETWEEN_WRITES:
            self._written = now
            self._write(current)
        return current

    def observe_samples(self, step: int, grids: Mapping[str, np.ndarray]) -> None:
        """Checks the sample images that `Summaries.write_samples` returned."""
        self._warn(self._watch.observe_samples(step, sample_statistics(grids)))

    def note(self, step: int, name: str, trouble: str | None) -> None:
        """Warns of a trouble that another part of the run found, by name and text; None: there is none."""
        self._warn(self._watch.note(step, {name: trouble}))

    def _warn(self, alarms: list[Alarm]) -> None:
        for alarm in alarms:
            self._say(f"Warning: {alarm.text}")
            self._write_text(alarm.step, f"warnings/{alarm.name}", alarm.text)

    def _status(self, step: int, numbers: dict[str, float]) -> Status:
        (first, then), (last, now) = self._points[0], self._points[-1]
        return Status(
            step,
            self._config.total_steps,
            self._config.iteration,
            steps_per_second=(last - first) / (now - then) if now > then else None,
            metrics={name: number if math.isfinite(number) else None for name, number in numbers.items()},
            warnings=tuple(self._watch.alarms),
            memory=self._watch.memory,
            written=time.time(),
        )

    def _write(self, current: Status) -> None:
        try:
            status.write(self._config.run_checkpoint_dir, current)
            self._failed = False
        except RunError as error:  # training goes on
            if not self._failed:
                self._say(f"Warning: {error}. --phase status knows nothing newer; the training goes on.")
            self._failed = True
