"""The moments of a run, and the observers that show them.

The loop reports each moment to `Observers`: a step, sample pictures, a score, a save, the stop. `Observers` passes it
to every observer: the console, TensorBoard, the folder of samples, the health watch, `status.json` and the training
page. A new display is one file with a subclass of `Observer`, and one line in `loop.open_observers`.

An observer that cannot write raises a RunError, which does not stop the training: `Observers` logs the first one of
each observer. All observers read one clock, which stands still while the loop draws samples, scores or saves.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, SupportsFloat

import numpy as np

from ugatit_tf.errors import RunError

_log = logging.getLogger(__name__)


class Clock:
    """A clock of the training alone, which can be paused.

    Args:
        now: returns the seconds of a clock that never jumps.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._paused = 0.0

    @property
    def seconds(self) -> float:
        """The seconds outside of pauses, from an arbitrary start."""
        return self.now() - self._paused

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the time inside the block out of `seconds`."""
        start = self.now()
        try:
            yield
        finally:
            self._paused += self.now() - start


class Due(NamedTuple):
    """What the loop does after a step."""

    log: bool
    save: bool
    score: bool
    sample: bool


class Alarm(NamedTuple):
    """A warning to the owner of a run.

    Attributes:
        name: the problem and its place; a run has each at most once.
        step: the step at which it was noticed.
        text: the problem with its numbers, its meaning, and what to try; one line.
    """

    name: str
    step: int
    text: str


class Observer:
    """A display of a run. Its methods are the moments of a run; an observer overrides those that it shows.

    Each method may raise a RunError. Those that return alarms make `Observers` report each of them as a warning.

    Attributes:
        failure: the warning if the observer cannot write, with `%s` for the error.
    """

    failure: ClassVar[str] = "%s"

    def on_start(self) -> None:
        """Opens the display before the first step."""

    def on_step(self, step: int, metrics: Mapping[str, SupportsFloat]) -> None:
        """Shows a step, or the last of several that were taken in one call.

        Args:
            step: completed steps.
            metrics: as `UGATIT.train_step` returns them; reading one waits for the device.
        """

    def on_report(self, step: int, metrics: Mapping[str, float], due: Due) -> Iterable[Alarm] | None:
        """Shows a step after which something is due. It is reported before anything of that is done."""

    def on_save(self, step: int, prefix: Path) -> None:
        """Shows that the checkpoint of a step was written, and its prefix."""

    def on_score(self, step: int, scores: Mapping[str, float], problem: str | None) -> Iterable[Alarm] | None:
        """Shows the scores of a step's checkpoint, and why they call for a warning; None if they do not."""

    def on_samples(self, step: int, pictures: Mapping[str, np.ndarray]) -> Iterable[Alarm] | None:
        """Shows the sample pictures of a step, as `summaries.draw_samples` returns them."""

    def on_warning(self, alarm: Alarm) -> None:
        """Shows a warning."""

    def on_stop(self) -> None:
        """Shows that the training stops, complete or not, and closes the display."""


class Observers:
    """Passes the moments of a run to its observers.

    Args:
        observers: in the order in which they get each moment.
        clock: the clock that the observers read.
    """

    def __init__(self, observers: Sequence[Observer], clock: Clock) -> None:
        self.clock = clock
        self._observers = observers
        self._warned_of: set[Observer] = set()  # the observers that have failed

    def report(self, moment: Callable[..., Any], *arguments: Any) -> None:
        """Passes a moment to all observers.

        Args:
            moment: the method of `Observer`.
            *arguments: its arguments.
        """
        for observer in self._observers:
            alarms = None
            try:
                alarms = getattr(observer, moment.__name__)(*arguments)
            except RunError as error:
                if observer not in self._warned_of:
                    _log.warning(observer.failure, error)
                self._warned_of.add(observer)
            for alarm in alarms or ():
                self.report(Observer.on_warning, alarm)
