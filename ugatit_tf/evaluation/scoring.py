"""Scores of generators on the test images, and of folders of pictures."""

import contextlib
import itertools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.evaluation import distances
from ugatit_tf.evaluation.collection import Features, Images
from ugatit_tf.evaluation.features import Extractor
from ugatit_tf.evaluation.paired import l1
from ugatit_tf.networks.generator import Translation
from ugatit_tf.reports.scores import METRICS, Estimate, Scored

_OF_TARGETS = {"identity", "cam"}  # need translations of target images too

Translate = Callable[[np.ndarray], Translation]  # of uint8 [B, size, size, C]

_AUTHORS_RESIZE = "authors"  # what mean KID is defined with


class Outcome(NamedTuple):
    """What came of scoring one direction.

    Attributes:
        scored: for the history.
        unreadable: a line for each image that could not be read.
        indices: of the images that were translated.
        own: scores of single images, in the order of `indices`: "cycle" and "l1", as far as they were asked for.
        features: of the translations, by `Features.resize`, `[N, d]`; None where they were not needed.
    """

    scored: Scored
    unreadable: list[str]
    indices: list[int]
    own: dict[str, list[float]]
    features: np.ndarray | None


class _Translated(NamedTuple):
    """What came of a batch: indices, scores of single images, features by resizing, shares of right CAM logits."""

    indices: list[int]
    own: dict[str, list[float]]
    features: dict[str, np.ndarray]
    recognised: list[float]


class Scorer:
    """Scores translations of a pair of test sets.

    Args:
        test_sets: "A" and "B".
        metrics: keys of METRICS; what cannot be had is left out.
        paired: whether images of one index show the same in both sets.
        features: for the metrics that need them; None: those are left out.
    """

    def __init__(
        self, test_sets: Mapping[str, Images], metrics: Collection[str], *, paired: bool, features: Features | None
    ) -> None:
        self._sets = test_sets
        self._features = features
        self._metrics = {
            name
            for name in metrics
            if (paired or name != "l1") and (features is not None or not METRICS[name].needs_features)
        }

    def score(self, translators: Mapping[str, Translate]) -> dict[str, Outcome]:
        """Scores generators.

        Args:
            translators: by direction, "A2B" and "B2A"; or one of them, and then there is no cycle.

        Returns:
            By direction.

        Raises:
            RunError: where a test set has fewer than two images that can be read.
        """
        return {direction: self._score(direction, translators) for direction in translators}

    def seconds(self, translators: Mapping[str, Translate]) -> float:
        """About how long `score` takes, by the second of two batches of each direction, and the bootstrap left out."""
        total = 0.0
        for direction in translators:
            source, target = (self._sets[domain] for domain in (direction[0], direction[-1]))
            for _ in range(2):
                start = time.monotonic()
                numbers, pictures = next(source.batches(""), ([], []))
                if numbers:
                    self._translate(direction, translators, numbers, pictures)
                seconds = time.monotonic() - start
            count = len(source) + (len(target) if _OF_TARGETS & self._metrics else 0)
            total += seconds * count / max(len(numbers), 1)
        return total

    def _score(self, direction: str, translators: Mapping[str, Translate]) -> Outcome:
        source, target = (self._sets[domain] for domain in (direction[0], direction[-1]))
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
        found |= feature_scores(metrics, resize, fakes.__getitem__, target.features, source.features)
        scores = {name: found[name] for name in METRICS if name in found and name in metrics}
        unreadable = [*source.unreadable, *target.unreadable]
        scored = Scored(len(indices), len(target.numbers), len(unreadable), scores)
        return Outcome(scored, unreadable, indices, own, fakes.get(resize))

    def _translate(
        self,
        direction: str,
        translators: Mapping[str, Translate],
        numbers: list[int],
        pictures: Sequence[np.ndarray],
    ) -> _Translated:
        back = translators.get(f"{direction[-1]}2{direction[0]}")
        translation = translators[direction](np.stack(pictures))
        outputs = images.to_uint8(translation.image)
        own = {}
        if "cycle" in self._metrics and back is not None:
            own["cycle"] = list(map(l1, images.to_uint8(back(outputs).image), pictures))
        if "l1" in self._metrics:
            own["l1"] = list(map(l1, outputs, map(self._sets[direction[-1]].read, numbers)))
        features = {
            resize: Extractor(self._features.network, resize)(outputs)
            for resize in _resizes(self._metrics, self._features)
        }
        return _Translated(numbers, own, features, _share(translation.cam_logits > 0))

    def _translate_targets(self, direction: str, translate: Translate) -> tuple[list[float], list[float]]:
        """Identity L1, and shares of right CAM logits, of images that are in the target domain already."""
        identity: list[float] = []
        recognised: list[float] = []
        for _, pictures in self._sets[direction[-1]].batches(f"{direction}, identity"):
            translation = translate(np.stack(pictures))
            identity += map(l1, images.to_uint8(translation.image), pictures)
            recognised += _share(translation.cam_logits < 0)
        return identity, recognised


def score_folders(fakes: Images, reals: Images, metrics: Collection[str], resize: str) -> Outcome:
    """FID and KID of any pictures; for the arguments see `Scorer` and `Features`.

    Raises:
        RunError: where there are fewer than two of either that can be read.
    """
    wanted = set(metrics) & {"FID", "KID"}
    scores = feature_scores(wanted, resize, fakes.features, reals.features)
    unreadable = [*fakes.unreadable, *reals.unreadable]
    return Outcome(Scored(len(fakes.numbers), len(reals.numbers), len(unreadable), scores), unreadable, [], {}, None)


def feature_scores(
    metrics: Collection[str],
    resize: str,
    fakes: Callable[[str], np.ndarray],
    target: Callable[[str], np.ndarray],
    source: Callable[[str], np.ndarray] | None = None,
) -> dict[str, Estimate]:
    """Those of some metrics that compare features, each set of which is a function of the way of resizing."""
    scores = {}
    if "FID" in metrics:
        scores["FID"] = distances.fid_estimate(target(resize), fakes(resize))
    if "KID" in metrics:
        scores["KID"] = distances.kid_estimate(target(resize), fakes(resize))
    if "mean_KID" in metrics and source is not None:
        with contextlib.suppress(ValueError):  # sets too unlike in size for their blocks
            scores["mean_KID"] = distances.mean_kid_estimate(
                *(each(_AUTHORS_RESIZE) for each in (target, source, fakes))
            )
    return scores


def _resizes(metrics: Collection[str], features: Features | None) -> set[str]:
    """The ways of resizing that the translations' features are needed by."""
    if features is None:
        return set()
    return ({features.resize} if {"FID", "KID"} & set(metrics) else set()) | (
        {_AUTHORS_RESIZE} if "mean_KID" in metrics else set()
    )


def _joined(lists: Iterable[list]) -> list:
    return list(itertools.chain.from_iterable(lists))


def _share(right: np.ndarray) -> list[float]:
    """Of the logits of each image, `[B, 2]`, the share that is right."""
    return right.mean(axis=1).tolist()
