"""Writes the pictures of an evaluation's page: the same images at every checkpoint, the best, the worst, neighbours."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ugatit_tf import json_files
from ugatit_tf.config import Config
from ugatit_tf.data import images, sources
from ugatit_tf.direction import Direction
from ugatit_tf.evaluation.collection import Features, Images
from ugatit_tf.evaluation.scoring import Outcome, Translate
from ugatit_tf.reports.evaluation import DATA, DETAILS, INPUTS, OUTPUTS
from ugatit_tf.system.files import make_folder, replace_folder

_FIXED = 6  # test images whose translations are shown for every checkpoint
_EXTREMES = 10
_NEIGHBOURS = 20
_ROWS = 1000  # of a table of distances that are in memory at a time


def write_stage(results: Path, step: int, sets: Mapping[str, Images], translators: Mapping[str, Translate]) -> None:
    """Writes the first test images and a checkpoint's translations of them into a folder of results.

    Args:
        results: `results/<model_dir>`; the pictures go to `evaluation/` in it.
        step: the checkpoint's step.
        sets: the test images by domain.
        translators: by direction.

    Raises:
        RunError: A file cannot be written.
    """
    for direction, translate in translators.items():
        source = sets[Direction(direction).source]
        numbers, pictures = next(source.batches(""), ([], []))
        numbers, pictures = numbers[:_FIXED], pictures[:_FIXED]
        outputs = images.to_uint8(translate(np.stack(pictures)).image) if pictures else []
        for place, shown in ((INPUTS, pictures), (f"{OUTPUTS}/{step}", outputs)):
            folder = results / DATA / place / direction
            make_folder(folder)
            for number, picture in zip(numbers, shown, strict=True):
                images.save_png(folder / f"{source.names[number]}.png", picture)


def write_details(
    results: Path,
    config: Config,
    label: str,
    *,
    sets: Mapping[str, Images],
    translators: Mapping[str, Translate],
    outcomes: Mapping[Direction, Outcome],
    features: Features | None,
) -> None:
    """Writes the best and worst translations, and those that are the nearest to training images.

    It computes the features of the training images for that, unless they are cached.

    Args:
        results: `results/<model_dir>`.
        config: the configuration of the run.
        label: the checkpoint's name for people.
        sets: the test images by domain.
        translators: by direction.
        outcomes: what `Scorer.score` returned.
        features: the feature network; None leaves out the neighbours.

    Raises:
        RunError: A file cannot be written, or training images cannot be read.
    """
    make_folder(results / DATA)
    with replace_folder(results / DATA / DETAILS, overwrite=True) as folder:
        directions = {}
        for direction, outcome in outcomes.items():
            source, target = sets[direction.source], sets[direction.target]
            make_folder(folder / direction)
            writer = _Writer(folder / direction, source, translators[direction], outcome)
            found = _extremes(writer, target, features)
            if features is not None and outcome.features is not None:
                split = f"train{direction.target}"
                (image_set,) = sources.open_splits(config, (split,))
                train = Images(image_set, split, config.img_size, features)
                found |= _neighbours(writer, train, target, features)
            directions[direction] = found
        details = {"checkpoint": label, "directions": directions}
        (folder / f"{DETAILS}.json").write_bytes(json_files.dumps(details, indent=1))


class _Writer(NamedTuple):
    """Saves pictures of single translations of a direction into a folder."""

    folder: Path
    source: Images
    translate: Translate
    outcome: Outcome

    def items(self, rows: Iterable[int], values: np.ndarray, others: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Saves some translations, and returns what the page shows of them.

        Args:
            rows: which of the outcome's translations to save.
            values: a number for each translation of the outcome.
            others: further pictures: functions of a row, by their captions.
        """
        found = []
        for row in rows:
            number = self.outcome.indices[row]
            source = self.source.read(number)
            output = images.to_uint8(self.translate(source[np.newaxis]).image)[0]
            shown = {"input": source, "output": output} | {caption: other(row) for caption, other in others.items()}
            paths = {}
            for caption, picture in shown.items():
                file = f"{number}_{caption.replace(' ', '_')}.png"
                images.save_png(self.folder / file, picture)
                paths[caption] = f"{self.folder.name}/{file}"
            found.append({"name": self.source.names[number], "value": float(values[row]), "pictures": paths})
        return found


def _extremes(writer: _Writer, target: Images, features: Features | None) -> dict[str, Any]:
    """Saves the best and the worst translations by the first known of: L1 to the truth, distance of features, cycle."""
    outcome, others = writer.outcome, {}
    if "l1" in outcome.own:
        by, values = "paired L1", np.array(outcome.own["l1"])
        others = {"ground truth": lambda row: target.read(outcome.indices[row])}
    elif features is not None and outcome.features is not None:
        by = "cosine distance of the features to the nearest real test image"
        values = _nearest(outcome.features, target.features(features.resize))[1]
    elif "cycle" in outcome.own:
        by, values = "cycle L1", np.array(outcome.own["cycle"])
    else:
        return {}
    order = np.argsort(values, kind="stable").tolist()
    count = min(_EXTREMES, len(order) // 2)
    return {
        "by": by,
        "best": writer.items(order[:count], values, others),
        "worst": writer.items(order[::-1][:count], values, others),
    }


def _neighbours(writer: _Writer, train: Images, real: Images, features: Features) -> dict[str, Any]:
    """Saves the translations that are the nearest to a training image, and returns how near test images are."""
    known = train.features(features.resize)
    nearest, distances = _nearest(writer.outcome.features, known)
    numbers = train.numbers
    _, usual = _nearest(real.features(features.resize), known)
    order = np.argsort(distances, kind="stable")[:_NEIGHBOURS].tolist()
    return {
        "median": float(np.median(distances)),
        "usual": float(np.median(usual)),
        "neighbours": writer.items(
            order, distances, {"nearest training image": lambda row: train.read(numbers[nearest[row]])}
        ),
    }


def _nearest(features: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns for each row the index of the nearest row of the others, and its cosine distance, 0 to 2."""
    known = _unit(others).T
    indices, distances = [], []
    for start in range(0, len(features), _ROWS):
        similarity = _unit(features[start : start + _ROWS]) @ known
        indices.append(similarity.argmax(axis=1))
        distances.append(1 - similarity.max(axis=1))
    return np.concatenate(indices), np.concatenate(distances)


def _unit(features: np.ndarray) -> np.ndarray:
    """Scales rows to length 1; rows of zeros stay zeros."""
    features = np.float64(features)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
