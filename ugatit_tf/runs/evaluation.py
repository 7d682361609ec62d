"""Scores while a run trains: of its checkpoints as they are made, the best of which is kept."""

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

SCORES_FILE = "scores.json"  # in the run's folder: what the run knows of its own scores when it goes on
DEFAULT_METRIC = "KID"
_EVALUATIONS = 10  # in a row, to call a score worse


class _Kept(NamedTuple):
    """The content of SCORES_FILE: the metric, each `Point` as an array, and what else the scores depend on."""

    metric: str
    points: list[tuple[int, float, float, float]]
    conditions: dict[str, str | int] | None = None


class Evaluation:
    """Scores a run's checkpoints, remembers the scores, and keeps the best checkpoint.

    What is killed in between is done again when the run goes on, with the same result: first the best checkpoint is
    kept, then the history gets its entry, and at last the step counts as scored.

    Args:
        config: of the run.
        first_step: steps done before. Scores of later ones, which are done anew, are forgotten.
        score: scores the networks as they are now, given a checkpoint's name and its step.
        draw: given its step, leaves pictures of it for the page.

    Attributes:
        metric: the score that counts.
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
        """Whether a step's checkpoint is to be scored."""
        return step % self._config.evaluate_freq == 0 or step == self._config.total_steps

    def is_missing(self, step: int) -> bool:
        """Whether a step's checkpoint was to be scored, and was not, as the run was killed before."""
        return step > 0 and self.is_due(step) and all(point.step != step for point in self.points)

    def evaluate(self, step: int, say: Callable[[str], None]) -> Entry | None:
        """Scores the networks, which have just been saved or restored.

        Args:
            step: of the checkpoint.
            say: prints a line.

        Returns:
            The scores; None where something failed, which is said and no reason to stop.
        """
        prefix = prefix_of(self._config, step)
        try:
            entry = self._score(prefix.name, step)
            mean = entry.mean(self.metric)
            conditions = entry.conditions(self.metric)
            if self._conditions not in (None, conditions):
                self.points = []
                say(
                    f"{self.metric} is computed otherwise than before: earlier scores do not compare, and do not count."
                )
            self._conditions = conditions
            if self._config.keep_best and self._is_best(mean, conditions):
                high = None if math.isnan(mean.high) else mean.high
                writer.keep_best(prefix, Best(prefix.name, step, self.metric, mean.value, high, conditions))
                say(f"The best so far by {self.metric}: step {step}")
            scores.append(Path(self._config.result_dir) / self._config.model_dir, entry)
            self._draw(step)
            self.points = [*(point for point in self.points if point.step < step), Point(step, *mean[:3])]
            kept = _Kept(self.metric, [tuple(point) for point in self.points], conditions)
            write_atomically(self._path, json_files.dumps(kept))
        except RunError as error:
            say(f"Warning: step {step} is not scored, and the training goes on: {error}")
            return None
        each = ", ".join(f"{name} {scored.scores[self.metric]}" for name, scored in entry.directions.items())
        say(f"{scores.METRICS[self.metric].label} at step {step}: {each}")
        return entry

    def worsened(self) -> str | None:
        """What to tell where the score has got clearly worse: above the best one's interval ten times in a row."""
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
    """The scores of an earlier session, and their conditions; none where they are of another metric, or unreadable."""
    kept = json_files.read_if_valid(path, _Kept)
    if kept is None or kept.metric != metric:
        return [], None
    return [Point(*point) for point in kept.points], kept.conditions
