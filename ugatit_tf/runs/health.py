"""Health watch of a run: early warnings from what is at hand anyway, logged losses, sample images, the clock.

Nothing here waits for a device, reads a clock or touches the disk: numbers go in, warnings come out, each once a run.
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ugatit_tf.config import DIFFAUGMENT_POLICIES, Config
from ugatit_tf.runs.status import Alarm
from ugatit_tf.training.losses import CAM_CHANCE, gan_loss

_NEAR_0 = 0.02  # of chance
# Likewise. A half is what to expect of a good one: the average pool of normalised features tells little.
_NEAR_CHANCE = 0.95
_ALIKE = 0.1  # of the inputs' variance: outputs that vary less are alike
_FALLEN = 0.25  # of the highest variance so far
_SAME = 0.02  # of the range: about 5 of 255 levels, which nobody sees

_STEPS = 1000  # that something lasts before it is told
_MANY_STEPS = 2000  # likewise of what a run may begin with
_POINTS = 10  # that a mean is of, at least

_PACE_POINTS, _PACE_SECONDS = 20, 60.0  # that a pace is the median of, at least
_SLOW = 2.0


class SampleStatistics(NamedTuple):
    """What the sample images of one direction tell, pixels taken from 0 to 1.

    Attributes:
        spread: variance between the outputs for different inputs, the mean over all pixels.
        input_spread: likewise of the inputs of either domain, the smaller one; 0 where there is but one image.
        change: mean absolute difference between input and output.
    """

    spread: float
    input_spread: float
    change: float


def sample_statistics(grids: Mapping[str, np.ndarray]) -> dict[str, SampleStatistics]:
    """Measures the sample images.

    Args:
        grids: with `real_A`, `fake_A`, `real_B` and `fake_B`: uint8 `[N * S, S, C]`, images one below the other.

    Returns:
        By direction, "A2B" and "B2A".
    """
    names = ("real_A", "fake_A", "real_B", "fake_B")
    images = {name: grids[name].reshape(-1, *grids[name].shape[1:2] * 2, grids[name].shape[2]) / 255 for name in names}
    spread = {name: float(image.var(axis=0).mean()) for name, image in images.items()}
    return {
        f"{source}2{target}": SampleStatistics(
            spread[f"fake_{target}"],
            min(spread["real_A"], spread["real_B"]),
            float(np.abs(images[f"fake_{target}"] - images[f"real_{source}"]).mean()),
        )
        for source, target in ("AB", "BA")
    }


class Watch:
    """Looks at a run's numbers as they come.

    Args:
        config: of the run.
        alarms: those that the run has raised before, which are not repeated.
        memory: what `memory` gave then, so that a run that is often interrupted is watched all the same.

    Attributes:
        alarms: all that the run has raised.
    """

    def __init__(self, config: Config, alarms: Iterable[Alarm] = (), memory: Mapping[str, Any] | None = None) -> None:
        memory = memory or {}
        self.alarms = list(alarms)
        self._config = config
        self._means: dict[str, tuple[int, float, int]] = dict(memory.get("means", {}))  # first step, sum, count
        self._since: dict[str, int] = dict(memory.get("since", {}))  # the first step of what holds ever since
        self._highest: dict[str, float] = dict(memory.get("highest", {}))  # variance of the outputs
        self._pace = _Pace()  # not remembered: the run may go on elsewhere

    @property
    def memory(self) -> dict[str, Any]:
        """What it remembers of the run, for JSON."""
        return {"means": self._means, "since": self._since, "highest": self._highest}

    def observe(self, step: int, metrics: Mapping[str, float], seconds: float) -> list[Alarm]:
        """Takes in the numbers of a logged step.

        Args:
            step: steps done.
            metrics: of `UGATIT.train_step`.
            seconds: on a clock that never jumps.

        Returns:
            What is to be told now.
        """
        found = {}
        for domain in "AB":
            found[f"discriminator_{domain}_wins"] = self._wins(domain, step, metrics)
            found[f"generator_{domain}_cam"] = self._cam_at_chance(domain, step, metrics)
        pace = self._pace.add(step, seconds)
        if pace is not None:
            found["slow"] = (
                f"steps have got slow: {pace[0]:.3g} s each, where they took {pace[1]:.3g} s at best in this session. "
                "Look for another program on the same device or disk, and for a device that is hot."
            )
        return self.note(step, found)

    def observe_samples(self, step: int, samples: Mapping[str, SampleStatistics]) -> list[Alarm]:
        """Takes in what `sample_statistics` found at a step; returns what is to be told now."""
        found = {}
        for direction, statistic in samples.items():
            found[f"{direction}_collapsed"] = self._collapsed(direction, step, statistic)
            found[f"{direction}_copies"] = self._copies(direction, step, statistic)
        return self.note(step, found)

    def _wins(self, domain: str, step: int, metrics: Mapping[str, float]) -> str | None:
        chance = gan_loss(self._config.gan_type).chance
        if chance is None:  # a critic is meant to win
            return None
        name = f"discriminator_{domain}"
        loss = (metrics[f"{name}/local"] + metrics[f"{name}/global"]) / 2
        mean = self._mean(name, step, loss, _STEPS)
        if mean is None or mean > _NEAR_0 * chance:
            return None
        return (
            f"{name} wins outright: its loss was {mean:.2g} on average over at least {_STEPS} steps, where guessing "
            f"gives {chance:.2g}. So it tells generator_{domain} next to nothing any more. Try more pictures in "
            f"train{domain}, --augment_flag True, --diffaugment {','.join(DIFFAUGMENT_POLICIES)}, --sn True or another "
            "--gan_type."
        )

    def _cam_at_chance(self, domain: str, step: int, metrics: Mapping[str, float]) -> str | None:
        # The generators' alone: a discriminator that cannot tell real from fake is what a good generator leads to.
        name = f"generator_{domain}/cam"
        mean = self._mean(name, step, metrics[name], _MANY_STEPS)
        if mean is None or mean < _NEAR_CHANCE * CAM_CHANCE or not self._config.cam_weight:
            return None
        return (
            f"generator_{domain}'s CAM is at chance: its loss was {mean:.3g} on average over at least {_MANY_STEPS} "
            f"steps, where guessing gives {CAM_CHANCE:.3g}. So it cannot tell A from B, and its attention means "
            f"nothing. See whether trainA and trainB hold what they should; raise --cam_weight, now "
            f"{self._config.cam_weight:g}."
        )

    def _collapsed(self, direction: str, step: int, statistic: SampleStatistics) -> str | None:
        spread, needed = statistic.spread, _ALIKE * statistic.input_spread
        highest = self._highest[direction] = max(spread, self._highest.get(direction, 0.0))
        lasted = self._lasted(f"{direction}_alike", step, spread < needed)
        # What was never higher may still be beginning.
        if lasted < (_STEPS if spread < _FALLEN * highest else _MANY_STEPS):
            return None
        return (
            f"{direction} has collapsed: its outputs for different pictures vary by {spread:.2g}, the pictures by "
            f"{statistic.input_spread:.2g}, the outputs at most by {highest:.2g} before. So it makes the same of "
            "everything. Go back to a checkpoint from before it, with a lower --lr; or raise --cycle_weight."
        )

    def _copies(self, direction: str, step: int, statistic: SampleStatistics) -> str | None:
        if self._lasted(f"{direction}_same", step, statistic.change < _SAME) < _MANY_STEPS:
            return None
        return (
            f"{direction} gives back its input: the two differ by {statistic.change:.2%} of the range, for at least "
            f"{_MANY_STEPS} steps now. So it translates nothing. See whether trainA and trainB hold what they should; "
            "lower --identity_weight and --cycle_weight, or raise --adv_weight."
        )

    def _mean(self, name: str, step: int, value: float, steps: int) -> float | None:
        """The mean of a loss at the end of each stretch of so many steps; None in between."""
        if not math.isfinite(value):
            return None
        first, total, count = self._means.get(name, (step, 0.0, 0))
        if step < first:  # gone back to an earlier checkpoint
            first, total, count = step, 0.0, 0
        total, count = total + value, count + 1
        if step - first < steps or count < _POINTS:
            self._means[name] = (first, total, count)
            return None
        self._means.pop(name, None)
        return total / count

    def _lasted(self, name: str, step: int, holds: bool) -> int:
        """The steps since the first sample from which on something holds; 0 where it does not hold now."""
        if not holds:
            self._since.pop(name, None)
            return 0
        self._since[name] = min(step, self._since.get(name, step))
        return step - self._since[name]

    def note(self, step: int, found: Mapping[str, str | None]) -> list[Alarm]:
        """Takes in troubles by their names, None where one does not hold; returns what is to be told now."""
        known = {alarm.name for alarm in self.alarms}
        new = [Alarm(name, step, text) for name, text in found.items() if text is not None and name not in known]
        self.alarms += new
        return new


class _Pace:
    """Seconds a step, as medians of some minutes, so that a save or a sample in between does not count."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._block: list[float] = []
        self._seconds = 0.0
        self._best = math.inf
        self._slow_blocks = 0

    def add(self, step: int, seconds: float) -> tuple[float, float] | None:
        """Returns seconds a step now and at best, where two medians in a row were slow."""
        last, self._last = self._last, (step, seconds)
        if last is None:  # before lie the first steps, with the graph's tracing
            return None
        self._block.append((seconds - last[1]) / (step - last[0]))
        self._seconds += seconds - last[1]
        if len(self._block) < _PACE_POINTS or self._seconds < _PACE_SECONDS:
            return None
        pace = statistics.median(self._block)
        self._block, self._seconds = [], 0.0
        self._best = min(self._best, pace)
        self._slow_blocks = self._slow_blocks + 1 if pace > _SLOW * self._best else 0
        return (pace, self._best) if self._slow_blocks > 1 else None
