"""Console output of a training: a progress bar on a terminal, the reference's log line on a pipe."""

import contextlib
import datetime
import sys
import time
from collections.abc import Callable, Iterator

from tqdm import tqdm

from ugatit_tf.config import Config

_SECONDS_BETWEEN_LINES = 1.0


class Console:
    """Prints the progress of a session of a run.

    Args:
        config: gives the number of steps.
        first_step: completed steps.
    """

    def __init__(self, config: Config, first_step: int) -> None:
        self._config = config
        self._start = time.monotonic()
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

    def update(self, step: int, losses: Callable[[], tuple[float, float]]) -> None:
        """Prints a step's progress where it is due.

        Args:
            step: completed steps, this one included.
            losses: returns `d_loss` and `g_loss`. It waits for the device, so it is called only if they are shown.
        """
        self._warm = self._warm or (step, time.monotonic())
        end_of_epoch = step % self._config.iteration == 0
        if self._bar.disable:
            now = time.monotonic()
            if end_of_epoch or now - self._last_line >= _SECONDS_BETWEEN_LINES:
                self._last_line = now
                print(self._line(step, *losses()), flush=True)
        elif self._bar.update():  # true if enough time has passed to redraw the bar
            d_loss, g_loss = losses()
            self._bar.set_postfix_str(f"d_loss {d_loss:.4f}, g_loss {g_loss:.2f}")
        if end_of_epoch:
            if not self._bar.disable:
                self.say(self._line(step, *losses()))
            self._forecast(step, *self._warm)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves the time inside the context out of the rate and the remaining time."""
        start = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - start
            if self._warm is not None:
                self._warm = (self._warm[0], self._warm[1] + seconds)
            if not self._bar.disable:
                self._bar.start_t += seconds
                self._bar.last_print_t += seconds

    def say(self, text: str) -> None:
        """Prints a line above the bar."""
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        """Closes the bar; its last state stays on the screen."""
        self._bar.close()

    def _line(self, step: int, d_loss: float, g_loss: float) -> str:
        epoch, index = divmod(step - 1, self._config.iteration)
        elapsed = time.monotonic() - self._start
        return (
            f"Epoch: [{epoch:2d}] [{index:5d}/{self._config.iteration:5d}] time: {elapsed:4.4f} "
            f"d_loss: {d_loss:.8f}, g_loss: {g_loss:.8f}"
        )

    def _forecast(self, step: int, warm_step: int, warm_time: float) -> None:
        if step > warm_step:
            rate = (step - warm_step) / (time.monotonic() - warm_time)
            left = datetime.timedelta(seconds=round((self._config.total_steps - step) / rate))
            self.say(f"{step} of {self._config.total_steps} steps done, {rate:.3g} steps/s, about {left} left")
