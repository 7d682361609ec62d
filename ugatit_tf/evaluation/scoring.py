"""Scores of generators on the test images, and of folders of pictures."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
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
                count = self._try(direction, translators)
                seconds = time.monotonic() - start
            images_seen = len(source) + (len(target) if _OF_TARGETS & self._metrics else 0)
            total += seconds * images_seen / max(count, 1)
        return total

    def _try(self, direction: str, translators: Mapping[str, Translate]) -> int:
        """Does what `score` does with one batch; returns how many images that had."""
        source, target = (self._sets[domain] for domain in (direction[0], direction[-1]))
        numbers, pictures = next(source.batches(""), ([], []))
        if pictures:
            outputs = images.to_uint8(translators[direction](np.stack(pictures)).image)
            if "cycle" in self._metrics:
                translators[f"{direction[-1]}2{direction[0]}"](outputs)
            if "l1" in self._metrics:
                for number in numbers:
                    target.read(number)
            for resize in _resizes(self._metrics, self._features):
                Extractor(self._features.network, resize)(outputs)
        return len(pictures)

    def _score(self, direction: str, translators: Mapping[str, Translate]) -> Outcome:
        source, target = (self._sets[domain] for domain in (direction[0], direction[-1]))
        metrics, resize = self._metrics, self._features.resize if self._features else ""
        indices, own, fakes, recognised = self._translate_all(direction, translators)
        found = {name: distances.mean_estimate([values]) for name, values in own.items()}
        if metrics & _OF_TARGETS:
            identity, others = self._translate_targets(direction, translators[direction])
            found |= {
                "identity": distances.mean_estimate([identity]),
                "cam": distances.mean_estimate([recognised, others]),
            }
        found |= feature_scores(metrics, resize, fakes.__getitem__, target.features, source.features)
        scores = {name: found[name] for name in METRICS if name in found and name in metrics}
        unreadable = [*source.unreadable, *target.unreadable]
        scored = Scored(len(indices), len(target.numbers), len(unreadable), scores)
        return Outcome(scored, unreadable, indices, own, fakes.get(resize))

    def _translate_all(
        self, direction: str, translators: Mapping[str, Translate]
    ) -> tuple[list[int], dict[str, list[float]], dict[str, np.ndarray], list[float]]:
        """Indices, scores of single images, features by resizing, and shares of right CAM logits, of the sources."""
        source, target = (self._sets[domain] for domain in (direction[0], direction[-1]))
        back = translators.get(f"{direction[-1]}2{direction[0]}") if "cycle" in self._metrics else None
        indices: list[int] = []
        own: dict[str, list[float]] = defaultdict(list)
        fakes: dict[str, list[np.ndarray]] = defaultdict(list)
        recognised: list[float] = []
        for numbers, pictures in source.batches(direction):
            translation = translators[direction](np.stack(pictures))
            outputs = images.to_uint8(translation.image)
            indices += numbers
            recognised += _share(translation.cam_logits > 0)
            if back is not None:
                own["cycle"] += map(l1, images.to_uint8(back(outputs).image), pictures)
            if "l1" in self._metrics:
                own["l1"] += map(l1, outputs, map(target.read, numbers))
            for resize in _resizes(self._metrics, self._features):
                fakes[resize].append(Extractor(self._features.network, resize)(outputs))
        return indices, dict(own), {resize: np.concatenate(rows) for resize, rows in fakes.items()}, recognised

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


def _share(right: np.ndarray) -> Iterable[float]:
    """Of the logits of each image, `[B, 2]`, the share that is right."""
    return right.mean(axis=1).tolist()
