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
    """Follows a run from its first step here to its last.

    Args:
        config: for the number of steps.
        first_step: steps done before.
    """

    def __init__(self, config: Config, first_step: int) -> None:
        self._config = config
        self._start = time.monotonic()
        # From where the rate counts: behind the first step here, which has the graph's tracing in it.
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
        """Shows that a step is done.

        Args:
            step: steps done, this one included.
            losses: gives `d_loss` and `g_loss`; called only where they are shown, as it waits for the device.
        """
        self._warm = self._warm or (step, time.monotonic())
        end_of_epoch = step % self._config.iteration == 0
        if self._bar.disable:
            now = time.monotonic()
            if end_of_epoch or now - self._last_line >= _SECONDS_BETWEEN_LINES:
                self._last_line = now
                print(self._line(step, *losses()), flush=True)
        elif self._bar.update():  # true where enough time has passed for the bar to be drawn anew
            d_loss, g_loss = losses()
            self._bar.set_postfix_str(f"d_loss {d_loss:.4f}, g_loss {g_loss:.2f}")
        if end_of_epoch:
            if not self._bar.disable:
                self.say(self._line(step, *losses()))
            self._forecast(step, *self._warm)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """A context whose time counts neither in the rate nor in the time that is left."""
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
        """Prints a line without tearing the bar."""
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()

    def close(self) -> None:
        """Leaves the bar as it is."""
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
