"""The page of a run while it trains: which of its points and pictures are kept, and when it is written."""

import datetime
import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import SupportsFloat

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.reports import progress
from ugatit_tf.reports.progress import DIRECTIONS, Progress
from ugatit_tf.runs.status import Status
from ugatit_tf.system.files import clear_leftovers

_PLOTS = {
    title: {domain: f"{network}_{domain}/{term}" for domain in "AB"}
    for title, network, term in (
        ("Discriminators", "discriminator", "total"),
        ("Generators", "generator", "total"),
        ("Adversarial loss", "generator", "adversarial"),
        ("Cycle loss", "generator", "cycle"),
        ("Identity loss", "generator", "identity"),
        ("CAM loss", "generator", "cam"),
    )
}
_METRICS = [metric for curves in _PLOTS.values() for metric in curves.values()]
_STAGES = 10  # columns of pictures, but for the newest
_POINTS = 250  # of a curve, likewise


def thinned(steps: Sequence[int], every: int, most: int) -> list[int]:
    """Picks steps that are spread evenly over a run: the first of each of up to `most` equal stretches, and the last.

    The stretches double as the run gets longer. So steps that were left out once are never wanted later, and it makes
    no difference whether all steps are thinned at the end or those that were left each time that one was added.

    Args:
        steps: ascending.
        every: the length of a stretch at first.
        most: stretches at most.
    """
    width = every
    while (steps[-1] - 1) // width >= most:
        width *= 2
    firsts: dict[int, int] = {}
    for step in steps:
        firsts.setdefault((step - 1) // width, step)
    return sorted({*firsts.values(), steps[-1]})


class TrainingPage:
    """Keeps a run's page: it is there before the first step, and goes on where an earlier session left off.

    A failed write is logged once and does not stop the training.

    Args:
        config: of the run.
        first_step: completed steps. The page drops points and pictures of later steps, which are repeated.
        say: prints a line.
        clock: seconds, from anywhere, that never jump.
    """

    def __init__(
        self,
        config: Config,
        first_step: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._say = say
        self._clock = clock
        self._results = Path(config.result_dir) / config.model_dir
        self._status = Status(first_step, config.total_steps, config.iteration, None, {}, (), {}, time.time())
        self._state = "starting: the first step takes longer"
        self._running = True
        self._points: dict[int, dict[str, float | None]] = {}  # by step, by metric
        self._stages: list[int] = []
        self._inputs: dict[str, str] = {}
        self._due = self._failed = False
        earlier = progress.read(self._results)
        if earlier is not None:
            self._go_on(earlier, first_step)
        clear_leftovers(self._results / progress.DATA)
        self.write()
        say(f"Page: {self._results / progress.PAGE}")

    def add_point(self, step: int, metrics: Mapping[str, SupportsFloat]) -> None:
        """Takes in a step's losses; reading them waits for the device."""
        self._points[step] = {name: _rounded(float(metrics[name])) for name in _METRICS}
        kept = thinned([*self._points], self._config.log_freq, _POINTS)
        self._points = {step: self._points[step] for step in kept}

    def add_samples(self, step: int, grids: Mapping[str, np.ndarray]) -> None:
        """Takes in the sample images, as `Summaries.write_samples` returns them."""
        inputs = {}
        try:
            for direction in DIRECTIONS:
                source, target = direction[0], direction[-1]
                pictures = grids[f"real_{source}"]
                inputs[direction] = f"{source}_{zlib.crc32(pictures.tobytes()):08x}.jpg"
                progress.save_column(self._results, inputs[direction], pictures)
                progress.save_column(self._results, progress.stage_name(direction, step), grids[f"fake_{target}"])
        except RunError as error:
            self._tell(error)
            return
        earlier = self._stages if inputs == self._inputs else []  # else of other pictures
        self._stages = thinned([*earlier, step], self._config.print_freq, _STAGES)
        self._inputs = inputs
        self._due = True

    def observe(self, status: Status) -> None:
        """Takes in where the run stands; writes the page where that is due."""
        self._status = status
        self._state = "training"
        if self._due or self._clock() - self._written >= progress.SECONDS:
            self.write()

    def write(self) -> None:
        """Writes the page now."""
        self._written = self._clock()
        self._due = False
        try:
            progress.write(self._results, self._progress())
            self._failed = False
        except RunError as error:
            self._tell(error)

    def close(self) -> None:
        """Writes the page of a run that has ended, complete or not."""
        self._running = False
        complete = self._status.step == self._config.total_steps
        self._state = "complete" if complete else "stopped; the same command goes on from the newest checkpoint"
        self.write()

    def _go_on(self, earlier: Progress, first_step: int) -> None:
        """Takes over what an earlier session has shown of the steps that are done."""
        nothing = [None] * len(earlier.steps)
        values = {
            metric: earlier.plots.get(title, {}).get(name, nothing)
            for title, curves in _PLOTS.items()
            for name, metric in curves.items()
        }
        for index, step in enumerate(earlier.steps):
            if step <= first_step:
                self._points[step] = {metric: curve[index] for metric, curve in values.items()}
        self._stages = [step for step in earlier.stages if step <= first_step]
        self._inputs = dict(earlier.inputs) if self._stages else {}

    def _progress(self) -> Progress:
        config, status = self._config, self._status
        facts = {
            "Run": self._state,
            "Step": status.place,
            "Rate": status.pace,
            "Dataset": config.dataset,
            "Image size": f"{config.img_size} px",
            "Written": f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}",
        }
        return Progress(
            title=f"Training of {config.model_name} on {config.dataset}",
            facts=list(facts.items()),
            warnings=[f"Step {alarm.step:,}: {alarm.text}" for alarm in status.warnings],
            running=self._running,
            inputs=self._inputs,
            stages=self._stages,
            steps=list(self._points),
            plots={
                title: {name: [point[metric] for point in self._points.values()] for name, metric in curves.items()}
                for title, curves in _PLOTS.items()
            },
            awaited=min(config.total_steps, (status.step // config.print_freq + 1) * config.print_freq),
        )

    def _tell(self, error: RunError) -> None:
        if not self._failed:
            self._say(f"Warning: {error}. The run's page shows nothing newer; the training goes on.")
        self._failed = True


def _rounded(value: float) -> float | None:
    """To as many digits as a curve shows; None for what is no finite number."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
