"""Scores while a run trains: each saved checkpoint is scored, and the best one is kept."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from ugatit_tf import json_files
from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.folder import Best, RunFolder, prefix_of
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.reports import scores
from ugatit_tf.reports.plots import Point
from ugatit_tf.reports.scores import Entry
from ugatit_tf.system.files import write_atomically

_log = logging.getLogger(__name__)

SCORES_FILE = "scores.json"  # in the run's folder: the scores that a resumed run needs
DEFAULT_METRIC = "KID"
_EVALUATIONS = 10  # how many in a row must be worse before a warning


class _Kept(NamedTuple):
    """The content of SCORES_FILE: the metric, each `Point` as an array, and what else the scores depend on."""

    metric: str
    points: list[tuple[int, float, float, float]]
    conditions: dict[str, str | int] | None = None


class Evaluation:
    """Scores a run's checkpoints, remembers the scores, and keeps the best checkpoint.

    If the run is killed during an evaluation, the resumed run repeats it with the same result. For that, the best
    checkpoint is kept first, then the history gets its entry, and the step counts as scored last.

    Args:
        config: the run's configuration.
        first_step: completed steps. Scores of later steps, which are repeated, are forgotten.
        score: computes the scores of the present networks, given a checkpoint's name and its step.
        draw: writes pictures of a step for the page of scores.

    Attributes:
        metric: the score that decides which checkpoint is the best.
        points: all scores so far, by their steps.
    """

    def __init__(
        self, config: Config, first_step: int, score: Callable[[str, int], Entry], draw: Callable[[int], None]
    ) -> None:
        self.metric = config.keep_best or DEFAULT_METRIC
        self._config = config
        self._score = score
        self._draw = draw
        self._path = config.run_checkpoint_dir / SCORES_FILE
        points, self._conditions = _read(self._path, self.metric)
        self.points = [point for point in points if point.step <= first_step]

    def is_due(self, step: int) -> bool:
        """Returns whether a step's checkpoint is to be scored."""
        return step % self._config.evaluate_freq == 0 or step == self._config.total_steps

    def is_missing(self, step: int) -> bool:
        """Returns whether a step's checkpoint lacks its score because the run was killed."""
        return step > 0 and self.is_due(step) and all(point.step != step for point in self.points)

    def evaluate(self, step: int) -> Entry | None:
        """Scores the networks, which were saved or restored just before, and logs the result.

        Args:
            step: the step of the checkpoint.

        Returns:
            The scores; None after a failure, which is logged and does not stop the training.
        """
        prefix = prefix_of(self._config, step)
        try:
            entry = self._score(prefix.name, step)
            mean = entry.mean(self.metric)
            conditions = entry.conditions(self.metric)
            if self._conditions not in (None, conditions):
                self.points = []
                _log.info(
                    "%s is computed otherwise than before: earlier scores do not compare, and do not count.",
                    self.metric,
                )
            self._conditions = conditions
            if self._config.keep_best and self._is_best(mean, conditions):
                high = None if math.isnan(mean.high) else mean.high
                writer.keep_best(prefix, Best(prefix.name, step, self.metric, mean.value, high, conditions))
                _log.info("The best so far by %s: step %s", self.metric, step)
            scores.append(Path(self._config.result_dir) / self._config.model_dir, entry)
            self._draw(step)
            self.points = [*(point for point in self.points if point.step < step), Point(step, *mean[:3])]
            kept = _Kept(self.metric, [tuple(point) for point in self.points], conditions)
            write_atomically(self._path, json_files.dumps(kept))
        except RunError as error:
            _log.warning("step %s is not scored, and the training goes on: %s", step, error)
            return None
        each = ", ".join(f"{name} {scored.scores[self.metric]}" for name, scored in entry.directions.items())
        _log.info("%s at step %s: %s", scores.METRICS[self.metric].label, step, each)
        return entry

    def worsened(self) -> str | None:
        """Returns a warning if the last ten scores in a row lie above the interval of the best one, else None."""
        lowest = min(self.points, key=lambda point: point.value)
        later = [point for point in self.points if point.step > lowest.step][-_EVALUATIONS:]
        if len(later) < _EVALUATIONS or not all(point.value > lowest.high for point in later):
            return None
        keep = "--checkpoint best takes it" if self._config.keep_best else "--keep_best would have kept it"
        return (
            f"{self.metric} has got clearly worse: it was {lowest.value:.4g} at step {lowest.step}, and beyond "
            f"{lowest.high:.4g}, the end of that one's interval, in the last {_EVALUATIONS} evaluations; now it is "
            f"{later[-1].value:.4g}. So the best checkpoint lies behind ({keep}). Stop here, or try a lower --lr."
        )

    def _is_best(self, mean: scores.Estimate, conditions: Mapping[str, str | int]) -> bool:
        earlier = RunFolder(self._config.run_checkpoint_dir).best()
        if earlier is None or earlier.metric != self.metric or earlier.conditions not in (None, conditions):
            return True
        return mean.value < earlier.value


def _read(path: Path, metric: str) -> tuple[list[Point], dict[str, str | int] | None]:
    """Returns the scores of an earlier session, and their conditions; none if of another metric, or unreadable."""
    kept = json_files.read_if_valid(path, _Kept)
    if kept is None or kept.metric != metric:
        return [], None
    return [Point(*point) for point in kept.points], kept.conditions
