"""The health watch of a run: early warnings from logged losses, sample pictures, scores and the clock.

Nothing here waits for a device or writes to the disk: numbers go in, warnings come out, each once a run.
"""

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from ugatit_tf.config import DIFFAUGMENT_POLICIES, Config
from ugatit_tf.direction import Direction
from ugatit_tf.runs import status
from ugatit_tf.runs.observers import Alarm, Clock, Due, Observer
from ugatit_tf.training.losses import CAM_CHANCE, GAN_LOSSES

_NEAR_0 = 0.02  # share of chance: a loss below it is near 0
# Share of chance: a CAM loss above it is at chance. A good CAM reaches about half of chance, because the average pool
# of normalized features tells little.
_NEAR_CHANCE = 0.95
_ALIKE = 0.1  # share of the inputs' variance: outputs that vary less are alike
_FALLEN = 0.25  # share of the highest variance so far
_SAME = 0.02  # share of the range: about 5 of 255 levels, which nobody sees

_STEPS = 1000  # how long a problem must last before a warning
_MANY_STEPS = 2000  # likewise, for a problem that a run may begin with
_POINTS = 10  # the fewest points of a mean

_PACE_POINTS, _PACE_SECONDS = 20, 60.0  # the fewest points and seconds of a median pace
_SLOW = 2.0  # times the best pace


class SampleStatistics(NamedTuple):
    """Statistics of the sample images of one direction, with pixels from 0 to 1.

    Attributes:
        spread: variance between the outputs for different inputs, the mean over all pixels.
        input_spread: the same of the inputs, the smaller one of both domains; 0 if there is only one image.
        change: mean absolute difference between input and output.
    """

    spread: float
    input_spread: float
    change: float


def sample_statistics(grids: Mapping[str, np.ndarray]) -> dict[str, SampleStatistics]:
    """Measures the sample images.

    Args:
        grids: `real_A`, `fake_A`, `real_B` and `fake_B`, uint8 `[N * S, S, C]` each, images one below the other.

    Returns:
        The statistics of the directions "A2B" and "B2A".
    """
    names = ("real_A", "fake_A", "real_B", "fake_B")
    images = {name: grids[name].reshape(-1, *grids[name].shape[1:2] * 2, grids[name].shape[2]) / 255 for name in names}
    spread = {name: float(image.var(axis=0).mean()) for name, image in images.items()}
    return {
        direction: SampleStatistics(
            spread[f"fake_{direction.target}"],
            min(spread["real_A"], spread["real_B"]),
            float(np.abs(images[f"fake_{direction.target}"] - images[f"real_{direction.source}"]).mean()),
        )
        for direction in Direction
    }


class Watch(Observer):
    """Watches the numbers of a run for problems.

    Args:
        config: the run's configuration.
        alarms: the earlier warnings of the run, which are not repeated.
        memory: the `memory` of an earlier session, so that a run that is often interrupted is watched all the same.
        clock: the clock of the training.

    Attributes:
        alarms: all warnings of the run.
    """

    def __init__(
        self,
        config: Config,
        alarms: Iterable[Alarm] = (),
        memory: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        memory = memory or {}
        self.alarms = list(alarms)
        self._config = config
        self._clock = clock or Clock()
        self._means: dict[str, tuple[int, float, int]] = dict(memory.get("means", {}))  # first step, sum, count
        self._since: dict[str, int] = dict(memory.get("since", {}))  # the first step of a problem that holds ever since
        self._highest: dict[str, float] = dict(memory.get("highest", {}))  # variance of the outputs
        self._pace = _Pace()  # not remembered: the run may continue on another machine

    @classmethod
    def resumed(cls, config: Config, first_step: int, clock: Clock) -> Self:
        """Returns the watch of a run after `first_step` steps, with the memory that `status.json` holds."""
        # At step 0, the file is of an earlier run without checkpoints.
        earlier = status.read(config.run_checkpoint_dir) if first_step else None
        if earlier is None:
            return cls(config, clock=clock)
        # The restored checkpoint may be older than the file. Warnings of steps that are repeated do not count.
        alarms = [alarm for alarm in earlier.warnings if alarm.step <= first_step]
        return cls(config, alarms, earlier.memory, clock)

    @property
    def memory(self) -> dict[str, Any]:
        """What the watch remembers of the run, for JSON."""
        return {"means": self._means, "since": self._since, "highest": self._highest}

    def on_samples(self, step: int, pictures: Mapping[str, np.ndarray]) -> list[Alarm]:
        return self.observe_samples(step, sample_statistics(pictures))

    def on_score(self, step: int, scores: Mapping[str, float], problem: str | None) -> list[Alarm]:
        return self._note(step, {"score": problem})

    def on_report(self, step: int, metrics: Mapping[str, float], due: Due) -> list[Alarm]:
        found = {}
        for domain in "AB":
            found[f"discriminator_{domain}_wins"] = self._wins(domain, step, metrics)
            found[f"generator_{domain}_cam"] = self._cam_at_chance(domain, step, metrics)
        pace = self._pace.add(step, self._clock.seconds)
        if pace is not None:
            found["slow"] = (
                f"steps have got slow: {pace[0]:.3g} s each, where they took {pace[1]:.3g} s at best in this session. "
                "Look for another program on the same device or disk, and for a device that is hot."
            )
        return self._note(step, found)

    def observe_samples(self, step: int, samples: Mapping[str, SampleStatistics]) -> list[Alarm]:
        """Checks the result of `sample_statistics` at a step; returns the new warnings."""
        found = {}
        for direction, statistic in samples.items():
            found[f"{direction}_collapsed"] = self._collapsed(direction, step, statistic)
            found[f"{direction}_copies"] = self._copies(direction, step, statistic)
        return self._note(step, found)

    def _wins(self, domain: str, step: int, metrics: Mapping[str, float]) -> str | None:
        chance = GAN_LOSSES[self._config.gan_type].chance
        if chance is None:  # a Wasserstein critic is meant to win
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
        # Only the generators' CAM: with a good generator, a discriminator cannot tell real from fake.
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
        # If the variance was never higher, the run may still be beginning.
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
        """Returns the mean of a loss at the end of each stretch of `steps` steps; None in between."""
        if not math.isfinite(value):
            return None
        first, total, count = self._means.get(name, (step, 0.0, 0))
        if step < first:  # the run was resumed from an earlier checkpoint
            first, total, count = step, 0.0, 0
        total, count = total + value, count + 1
        if step - first < steps or count < _POINTS:
            self._means[name] = (first, total, count)
            return None
        self._means.pop(name, None)
        return total / count

    def _lasted(self, name: str, step: int, holds: bool) -> int:
        """Returns for how many steps a problem has held without a break; 0 if it does not hold now."""
        if not holds:
            self._since.pop(name, None)
            return 0
        self._since[name] = min(step, self._since.get(name, step))
        return step - self._since[name]

    def _note(self, step: int, found: Mapping[str, str | None]) -> list[Alarm]:
        """Adds a warning for each problem that holds (its text is not None) and is new; returns these warnings."""
        known = {alarm.name for alarm in self.alarms}
        new = [Alarm(name, step, text) for name, text in found.items() if text is not None and name not in known]
        self.alarms += new
        return new


class _Pace:
    """Computes seconds a step, as medians over at least a minute, so that single slow steps do not count."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._block: list[float] = []
        self._seconds = 0.0
        self._best = math.inf
        self._slow_blocks = 0

    def add(self, step: int, seconds: float) -> tuple[float, float] | None:
        """Returns the seconds a step now and at best if two medians in a row were slow, else None."""
        last, self._last = self._last, (step, seconds)
        if last is None:  # the first steps include the tracing of the graph
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
