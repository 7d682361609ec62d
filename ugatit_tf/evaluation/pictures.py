"""The pictures of an evaluation's page: the same images at every checkpoint, the best, the worst, and neighbours."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ugatit_tf import json_files
from ugatit_tf.config import Config
from ugatit_tf.data import images, sources
from ugatit_tf.evaluation.collection import Features, Images
from ugatit_tf.evaluation.scoring import Outcome, Translate
from ugatit_tf.reports.evaluation import DATA, DETAILS, INPUTS, OUTPUTS
from ugatit_tf.system.files import make_folder, replace_folder

_FIXED = 6  # test images that every checkpoint's outputs are shown of
_EXTREMES = 10
_NEIGHBOURS = 20
_ROWS = 1000  # of a table of distances that are in memory at a time


def write_stage(results: Path, step: int, sets: Mapping[str, Images], translators: Mapping[str, Translate]) -> None:
    """Writes what a checkpoint makes of the first test images, and these, into a folder of results.

    Args:
        results: `results/<model_dir>`; the pictures go to `evaluation/` in it.
        step: of the checkpoint.
        sets: the test images, "A" and "B".
        translators: by direction.

    Raises:
        RunError: where a file cannot be written.
    """
    for direction, translate in translators.items():
        source = sets[direction[0]]
        numbers, pictures = next(source.batches(""), ([], []))
        numbers, pictures = numbers[:_FIXED], pictures[:_FIXED]
        outputs = images.to_uint8(translate(np.stack(pictures)).image) if pictures else []
        for place, shown in ((INPUTS, pictures), (f"{OUTPUTS}/{step}", outputs)):
            folder = results / DATA / place / direction
            make_folder(folder)
            for number, picture in zip(numbers, shown, strict=True):
                images.save_png(folder / f"{source.names[number]}.png", picture)


class Subject(NamedTuple):
    """What was scored, for `write_details`.

    Attributes:
        label: its name for people.
        sets: the test images, "A" and "B".
        translators: by direction.
        outcomes: by direction.
    """

    label: str
    sets: Mapping[str, Images]
    translators: Mapping[str, Translate]
    outcomes: Mapping[str, Outcome]


def write_details(results: Path, config: Config, subject: Subject, features: Features | None) -> None:
    """Writes the best and worst translations, and, by features, each one's nearest training images.

    The features of the training images are computed for that, once.

    Args:
        results: `results/<model_dir>`.
        config: of the run.
        subject: what was scored.
        features: None: there are no neighbours.

    Raises:
        RunError: where a file cannot be written, or training images cannot be read.
    """
    make_folder(results / DATA)
    with replace_folder(results / DATA / DETAILS, overwrite=True) as folder:
        directions = {}
        for direction, outcome in subject.outcomes.items():
            if not outcome.indices:
                continue
            writer = _Writer(folder, direction, subject, outcome)
            found = _extremes(writer, subject.sets[direction[-1]], features)
            if features is not None and outcome.features is not None:
                split = f"train{direction[-1]}"
                (image_set,) = sources.open_splits(config, (split,))
                train = Images(image_set, split, config.img_size, features)
                found |= _neighbours(writer, train, subject.sets[direction[-1]], features)
            directions[direction] = found
        details = {"checkpoint": subject.label, "directions": directions}
        (folder / f"{DETAILS}.json").write_bytes(json_files.dumps(details, indent=1))


class _Writer:
    """Saves pictures of single translations of a direction."""

    def __init__(self, folder: Path, direction: str, subject: Subject, outcome: Outcome) -> None:
        self.outcome = outcome
        self._folder = folder / direction
        self._source, self._target = (subject.sets[domain] for domain in (direction[0], direction[-1]))
        self._translate = subject.translators[direction]
        make_folder(self._folder)

    def items(self, rows: Iterable[int], values: np.ndarray, others: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the page shows of some translations, given by their rows among all.

        Args:
            rows: which.
            values: a number for each translation there is.
            others: by their captions, functions of a row to further pictures.
        """
        found = []
        for row in rows:
            number = self.outcome.indices[row]
            source = self._source.read(number)
            output = images.to_uint8(self._translate(source[np.newaxis]).image)[0]
            shown = {"input": source, "output": output} | {caption: other(row) for caption, other in others.items()}
            paths = {caption: self._save(f"{number}_{caption.replace(' ', '_')}", shown[caption]) for caption in shown}
            found.append({"name": self._source.names[number], "value": float(values[row]), "pictures": paths})
        return found

    def truth(self, row: int) -> np.ndarray:
        """The right translation, where there is one."""
        return self._target.read(self.outcome.indices[row])

    def _save(self, name: str, picture: np.ndarray) -> str:
        """Returns the path in the folder of details."""
        images.save_png(self._folder / f"{name}.png", picture)
        return f"{self._folder.name}/{name}.png"


def _extremes(writer: _Writer, target: Images, features: Features | None) -> dict[str, Any]:
    outcome = writer.outcome
    others = {"ground truth": writer.truth} if "l1" in outcome.own else {}
    if "l1" in outcome.own:
        by, values = "paired L1", np.array(outcome.own["l1"])
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
    """Of each row, the index of the nearest of the others, and its cosine distance, 0 to 2."""
    known = _unit(others).T
    indices, distances = [], []
    for start in range(0, len(features), _ROWS):
        similarity = _unit(features[start : start + _ROWS]) @ known
        indices.append(similarity.argmax(axis=1))
        distances.append(1 - similarity.max(axis=1))
    return np.concatenate(indices), np.concatenate(distances)


def _unit(features: np.ndarray) -> np.ndarray:
    """Rows of length 1; of length 0 where they have none."""
    features = np.float64(features)
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
