"""Scores generators on the test images, and folders of pictures."""

import contextlib
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import images, sources
from ugatit_tf.direction import Direction
from ugatit_tf.evaluation import distances
from ugatit_tf.evaluation.collection import Features, Images
from ugatit_tf.evaluation.features import Extractor
from ugatit_tf.networks.generator import Translation
from ugatit_tf.reports.scores import METRICS, Entry, Estimate, Scored

Translate = Callable[[np.ndarray], Translation]  # of uint8 [B, size, size, C]

_OF_TARGETS = {"identity", "cam"}  # scores that need translations of target images too
_AUTHORS_RESIZE = "authors"  # the way of resizing by which mean KID is defined


class Outcome(NamedTuple):
    """The scores of one direction, and the values of single images that they are means of."""

    scored: Scored  # the scores, for the history
    unreadable: list[str]  # a line for each image that could not be read
    indices: list[int]  # the indices of the translated images
    # The scores of single images in the order of `indices`: "cycle" and "l1", as far as they were requested
    own: dict[str, list[float]]
    # The features of the translations, by `Features.resize`, `[N, d]`; None if no score needed them
    features: np.ndarray | None


class _Translated(NamedTuple):
    """The results of a batch: indices, scores of single images, features by resizing, shares of right CAM logits."""

    indices: list[int]
    own: dict[str, list[float]]
    features: dict[str, np.ndarray]
    recognised: list[float]


class Scorer:
    """Scores translations of a pair of test sets.

    Args:
        test_sets: the test images by domain, "A" and "B".
        metrics: keys of METRICS; metrics that the sets do not allow are left out.
        paired: whether images of one index show the same in both sets.
        features: the feature network; None leaves out the metrics that need it.
    """

    def __init__(
        self, test_sets: Mapping[str, Images], metrics: Collection[str], *, paired: bool, features: Features | None
    ) -> None:
        self.test_sets = test_sets
        self._features = features
        self._metrics = {
            name
            for name in metrics
            if (paired or name != "l1") and (features is not None or not METRICS[name].needs_features)
        }

    @classmethod
    def of_dataset(
        cls, config: Config, metrics: Collection[str], features: Features | None, *, show: bool = True
    ) -> "Scorer":
        """Returns the scorer for the test images of a run's dataset.

        Args:
            config: the run's configuration, with the `img_size` and `img_ch` of the generators.
            metrics: as for the class.
            features: as for the class.
            show: whether progress bars are shown.

        Raises:
            RunError: The dataset has no test images.
        """
        splits = ("testA", "testB")
        test_sets = {
            split[-1]: Images(image_set, split, config.img_size, features, show=show)
            for split, image_set in zip(splits, sources.open_splits(config, splits), strict=True)
        }
        return cls(test_sets, metrics, paired=sources.has_ground_truth(config.dataset), features=features)

    def score(self, translators: Mapping[str, Translate]) -> dict[Direction, Outcome]:
        """Scores generators.

        Args:
            translators: the translating functions by direction, "A2B" and "B2A"; with one of them there is no cycle.

        Returns:
            The outcomes by direction.

        Raises:
            RunError: A test set has fewer than two readable images.
        """
        return {direction: self._score(direction, translators) for direction in map(Direction, translators)}

    def entry(self, config: Config, label: str, step: int | None, outcomes: Mapping[str, Outcome]) -> Entry:
        """Returns the entry of the history for the outcomes of a checkpoint, given its name and its step."""
        facts = self._features.facts if self._features else {}
        scored = {direction: outcome.scored for direction, outcome in outcomes.items()}
        return Entry(label, step, config.dataset, config.img_size, facts, scored)

    def seconds(self, translators: Mapping[str, Translate]) -> float:
        """Estimates how long `score` takes without the bootstrap, from the second of two batches of each direction."""
        total = 0.0
        for direction in map(Direction, translators):
            source, target = self.test_sets[direction.source], self.test_sets[direction.target]
            for _ in range(2):
                start = time.monotonic()
                numbers, pictures = next(source.batches(""), ([], []))
                if numbers:
                    self._translate(direction, translators, numbers, pictures)
                seconds = time.monotonic() - start
            count = len(source) + (len(target) if _OF_TARGETS & self._metrics else 0)
            total += seconds * count / max(len(numbers), 1)
        return total

    def _score(self, direction: Direction, translators: Mapping[str, Translate]) -> Outcome:
        source, target = self.test_sets[direction.source], self.test_sets[direction.target]
        metrics, resize = self._metrics, self._features.resize if self._features else ""
        parts = [self._translate(direction, translators, *batch) for batch in source.batches(direction)]
        indices = _joined(part.indices for part in parts)
        own = {name: _joined(part.own[name] for part in parts) for name in parts[0].own}
        fakes = {name: np.concatenate([part.features[name] for part in parts]) for name in parts[0].features}
        found = {name: distances.mean_estimate([values]) for name, values in own.items()}
        if metrics & _OF_TARGETS:
            identity, recognised = self._translate_targets(direction, translators[direction])
            found |= {
                "identity": distances.mean_estimate([identity]),
                "cam": distances.mean_estimate([_joined(part.recognised for part in parts), recognised]),
            }
        found |= _feature_scores(metrics, resize, fakes.__getitem__, target.features, source.features)
        scores = {name: found[name] for name in METRICS if name in found and name in metrics}
        unreadable = [*source.unreadable, *target.unreadable]
        scored = Scored(len(indices), len(target.numbers), len(unreadable), scores)
        return Outcome(scored, unreadable, indices, own, fakes.get(resize))

    def _translate(
        self,
        direction: Direction,
        translators: Mapping[str, Translate],
        numbers: list[int],
        pictures: Sequence[np.ndarray],
    ) -> _Translated:
        reverse = translators.get(direction.reverse)
        translation = translators[direction](np.stack(pictures))
        outputs = images.to_uint8(translation.image)
        own = {}
        if "cycle" in self._metrics and reverse is not None:
            own["cycle"] = list(map(l1, images.to_uint8(reverse(outputs).image), pictures))
        if "l1" in self._metrics:
            own["l1"] = list(map(l1, outputs, map(self.test_sets[direction.target].read, numbers)))
        resizes = {_AUTHORS_RESIZE} if "mean_KID" in self._metrics else set()
        if {"FID", "KID"} & self._metrics:
            resizes.add(self._features.resize)
        features = {resize: Extractor(self._features.network, resize)(outputs) for resize in resizes}
        return _Translated(numbers, own, features, _shares(translation.cam_logits > 0))

    def _translate_targets(self, direction: Direction, translate: Translate) -> tuple[list[float], list[float]]:
        """Returns the identity L1 and the share of right CAM logits of each image of the target domain."""
        identity: list[float] = []
        recognised: list[float] = []
        for _, pictures in self.test_sets[direction.target].batches(f"{direction}, identity"):
            translation = translate(np.stack(pictures))
            identity += map(l1, images.to_uint8(translation.image), pictures)
            recognised += _shares(translation.cam_logits < 0)
        return identity, recognised


def score_folders(fakes: Images, reals: Images, metrics: Collection[str], resize: str) -> Outcome:
    """Scores any pictures by FID and KID; for the arguments see `Scorer` and `Features`.

    Raises:
        RunError: One of the sets has fewer than two readable images.
    """
    scores = _feature_scores({"FID", "KID"} & set(metrics), resize, fakes.features, reals.features)
    unreadable = [*fakes.unreadable, *reals.unreadable]
    return Outcome(Scored(len(fakes.numbers), len(reals.numbers), len(unreadable), scores), unreadable, [], {}, None)


def _feature_scores(
    metrics: Collection[str],
    resize: str,
    fakes: Callable[[str], np.ndarray],
    target: Callable[[str], np.ndarray],
    source: Callable[[str], np.ndarray] | None = None,
) -> dict[str, Estimate]:
    """Returns the scores that compare features; each set of images is a function from a way of resizing to features."""
    scores = {}
    if "FID" in metrics:
        scores["FID"] = distances.fid_estimate(target(resize), fakes(resize))
    if "KID" in metrics:
        scores["KID"] = distances.kid_estimate(target(resize), fakes(resize))
    if "mean_KID" in metrics:
        with contextlib.suppress(ValueError):  # the sizes of the sets differ too much for the blocks of mean KID
            scores["mean_KID"] = distances.mean_kid_estimate(
                *(each(_AUTHORS_RESIZE) for each in (target, source, fakes))
            )
    return scores


def l1(image: np.ndarray, truth: np.ndarray) -> float:
    """Returns the mean absolute difference of two images of one shape, divided by 255; pixels are 0 to 255."""
    return float(np.mean(np.abs(image.astype(np.float32) - truth.astype(np.float32)))) / 255.0


def _joined(lists: Iterable[list]) -> list:
    return list(itertools.chain.from_iterable(lists))


def _shares(is_right: np.ndarray) -> list[float]:
    """Returns the share of right logits of each image, from `[B, 2]`."""
    return is_right.mean(axis=1).tolist()
