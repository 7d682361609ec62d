"""Scores of generators on a dataset's test images, as an entry of the history."""

from collections.abc import Collection, Mapping
from pathlib import Path

from ugatit_tf.config import Config
from ugatit_tf.data import sources
from ugatit_tf.evaluation import pictures
from ugatit_tf.evaluation.collection import Features, Images
from ugatit_tf.evaluation.scoring import Outcome, Scorer, Translate
from ugatit_tf.reports.scores import Entry

_SPLITS = ("testA", "testB")


class Evaluator:
    """Scores generators on the test images of a run's dataset.

    Args:
        config: the run's configuration, with the `img_size` and `img_ch` of the generators.
        metrics: keys of METRICS; metrics that this dataset does not allow are left out.
        features: the settings of FID and KID; None leaves these out.
        show: whether progress bars are shown.

    Raises:
        RunError: The dataset has no test images.
    """

    def __init__(
        self, config: Config, metrics: Collection[str], features: Features | None, *, show: bool = True
    ) -> None:
        self._config = config
        self._features = features
        self._sets = {
            split[-1]: Images(image_set, split, config.img_size, features, show=show)
            for split, image_set in zip(_SPLITS, sources.open_splits(config, _SPLITS), strict=True)
        }
        self.scorer = Scorer(self._sets, metrics, paired=sources.has_ground_truth(config.dataset), features=features)

    def evaluate(
        self, label: str, step: int | None, translators: Mapping[str, Translate]
    ) -> tuple[Entry, dict[str, Outcome]]:
        """Scores generators, as `Scorer.score` does.

        Args:
            label: the checkpoint's name for people.
            step: the checkpoint's step; None if it has none.
            translators: the translating functions by direction.

        Returns:
            The entry for the history, and the outcome of each direction.
        """
        outcomes = self.scorer.score(translators)
        entry = Entry(
            label,
            step,
            self._config.dataset,
            self._config.img_size,
            self._features.facts if self._features else {},
            {name: outcome.scored for name, outcome in outcomes.items()},
        )
        return entry, outcomes

    def write_stage(self, results: Path, step: int, translators: Mapping[str, Translate]) -> None:
        """Writes a checkpoint's pictures for the page, see `pictures.write_stage`."""
        pictures.write_stage(results, step, self._sets, translators)

    def write_details(
        self, results: Path, label: str, translators: Mapping[str, Translate], outcomes: Mapping[str, Outcome]
    ) -> None:
        """Writes the best and worst translations and their neighbours for the page, see `pictures.write_details`."""
        subject = pictures.Subject(label, self._sets, translators, outcomes)
        pictures.write_details(results, self._config, subject, self._features)
