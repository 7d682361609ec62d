"""Console output of a training: a progress bar on a terminal, the reference's log line on a pipe."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import SupportsFloat

import numpy as np
from tqdm import tqdm

from ugatit_tf.config import Config
from ugatit_tf.runs.observers import Alarm, Clock, Observer
from ugatit_tf.runs.status import duration

_SECONDS_BETWEEN_LINES = 1.0


class Console(Observer):
    """Prints the progress of a session of a run.

    Args:
        config: gives the number of steps.
        first_step: completed steps.
        clock: the clock of the training.
    """

    def __init__(self, config: Config, first_step: int, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._start = clock.now()
        # The rate counts from the end of the session's first step, which includes tracing the graph.
        self._warm: tuple[int, float] | None = None
        self._last_line = -float("inf")
        self._bar = tqdm(
            total=config.total_steps,
            initial=first_step,
            unit="step",
            dynamic_ncols=True,
            disable=not sys.stderr.isatty(),
        )

    def on_step(self, step: int, metrics: Mapping[str, SupportsFloat]) -> None:
        self._warm = self._warm or (step, self._clock.seconds)
        end_of_epoch = step % self._config.iteration == 0
        if self._bar.disable:
            is_due = end_of_epoch or self._clock.now() - self._last_line >= _SECONDS_BETWEEN_LINES
        else:
            is_due = end_of_epoch
            if self._bar.update():  # true if enough time has passed to redraw the bar
                d_loss, g_loss = float(metrics["d_loss"]), float(metrics["g_loss"])
                self._bar.set_postfix_str(f"d_loss {d_loss:.4f}, g_loss {g_loss:.2f}")
        if is_due:
            self._last_line = self._clock.now()
            self._print(self._line(step, float(metrics["d_loss"]), float(metrics["g_loss"])))
        if end_of_epoch:
            self._print_forecast(step, *self._warm)

    def on_save(self, step: int, prefix: Path) -> None:
        self._print(f"Saved step {step} to {prefix}")
        self._bar.unpause()

    def on_score(self, step: int, scores: Mapping[str, float], problem: str | None) -> None:
        self._bar.unpause()

    def on_samples(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        self._bar.unpause()

    def on_warning(self, alarm: Alarm) -> None:
        self._print(f"Warning: {alarm.text}")

    def on_stop(self) -> None:
        """Closes the bar; its last state stays on the screen."""
        self._bar.close()

    def _print(self, text: str) -> None:
        """Prints a line, above the bar if there is one."""
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()

    def _line(self, step: int, d_loss: float, g_loss: float) -> str:
        epoch, index = divmod(step - 1, self._config.iteration)
        elapsed = self._clock.now() - self._start  # with pauses, as the reference counts
        return (
            f"Epoch: [{epoch:2d}] [{index:5d}/{self._config.iteration:5d}] time: {elapsed:4.4f} "
            f"d_loss: {d_loss:.8f}, g_loss: {g_loss:.8f}"
        )

    def _print_forecast(self, step: int, warm_step: int, warm_time: float) -> None:
        if step > warm_step:
            rate = (step - warm_step) / (self._clock.seconds - warm_time)
            left = duration((self._config.total_steps - step) / rate)
            self._print(f"{step} of {self._config.total_steps} steps done, {rate:.3g} steps/s, about {left} left")
