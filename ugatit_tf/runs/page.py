"""The page of a run while it trains: which points and pictures it keeps, and when it is written."""

import datetime
import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.direction import Direction
from ugatit_tf.reports import progress
from ugatit_tf.reports.progress import Progress
from ugatit_tf.runs.observers import Clock, Due, Observer
from ugatit_tf.runs.status import StatusFile
from ugatit_tf.system.files import clear_leftovers

_log = logging.getLogger(__name__)

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
_STAGES = 10  # the most columns of pictures, without the newest
_POINTS = 250  # the most points of a curve, without the newest


def thinned(steps: Sequence[int], every: int, most: int) -> list[int]:
    """Returns steps that are spread evenly over a run: the first of each of up to `most` equal stretches, and the last.

    The length of a stretch doubles as the run gets longer. So a step that was dropped is never needed later: thinning
    after each new step gives the same steps as thinning all steps at the end.

    Args:
        steps: ascending.
        every: the length of a stretch at first.
        most: the most stretches.
    """
    width = every
    while (steps[-1] - 1) // width >= most:
        width *= 2
    firsts: dict[int, int] = {}
    for step in steps:
        firsts.setdefault((step - 1) // width, step)
    return sorted({*firsts.values(), steps[-1]})


class TrainingPage(Observer):
    """Keeps a run's page. It is there before the first step, and continues that of an earlier session.

    Args:
        config: the run's configuration.
        first_step: completed steps. The page drops points and pictures of later steps, which are repeated.
        status_file: gives the state of the run.
        clock: the clock of the training.
    """

    failure = "%s. The run's page shows nothing newer; the training goes on."

    def __init__(self, config: Config, first_step: int, status_file: StatusFile, clock: Clock) -> None:
        self._config = config
        self._status_file = status_file
        self._clock = clock
        self._results = Path(config.result_dir) / config.model_dir
        self._state = "starting: the first step takes longer"
        self._running = True
        self._points: dict[int, dict[str, float | None]] = {}  # by step, by metric
        self._stages: list[int] = []
        self._inputs: dict[str, str] = {}
        self._written = -math.inf
        earlier = progress.read(self._results)
        if earlier is not None:
            self._continue(earlier, first_step)

    def on_start(self) -> None:
        clear_leftovers(self._results / progress.DATA)
        _log.info("Page: %s", self._results / progress.PAGE)
        self._write()

    def on_report(self, step: int, metrics: Mapping[str, float], due: Due) -> None:
        self._state = "training"
        if due.log:
            self._points[step] = {name: _rounded(metrics[name]) for name in _METRICS}
            kept = thinned([*self._points], self._config.log_freq, _POINTS)
            self._points = {step: self._points[step] for step in kept}
        if due.save or self._clock.seconds - self._written >= progress.SECONDS:
            self._write()

    def on_samples(self, step: int, pictures: Mapping[str, np.ndarray]) -> None:
        inputs = {}
        for direction in Direction:
            real = pictures[f"real_{direction.source}"]
            inputs[direction] = f"{direction.source}_{zlib.crc32(real.tobytes()):08x}.jpg"
            progress.save_column(self._results, inputs[direction], real)
            progress.save_column(
                self._results, progress.stage_name(direction, step), pictures[f"fake_{direction.target}"]
            )
        earlier = self._stages if inputs == self._inputs else []  # else they are of other pictures
        self._stages = thinned([*earlier, step], self._config.print_freq, _STAGES)
        self._inputs = inputs
        self._write()

    def on_stop(self) -> None:
        self._running = False
        complete = self._status_file.current.step == self._config.total_steps
        self._state = "complete" if complete else "stopped; the same command goes on from the newest checkpoint"
        self._write()

    def _write(self) -> None:
        progress.write(self._results, self._contents())
        self._written = self._clock.seconds

    def _continue(self, earlier: Progress, first_step: int) -> None:
        """Takes over the points and pictures of an earlier session, of the steps that are completed."""
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

    def _contents(self) -> Progress:
        config, status = self._config, self._status_file.current
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


def _rounded(value: float) -> float | None:
    """Returns a value with as many digits as a curve shows; None if it is not finite."""
    return float(f"{value:.4g}") if math.isfinite(value) else None
