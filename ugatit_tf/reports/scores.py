"""Scores of translations: the definition of each, and `evaluation.json`, the history of a run's scores."""

import dataclasses
import datetime
import math
from pathlib import Path
from typing import Any, NamedTuple

from ugatit_tf import json_files
from ugatit_tf.system.files import make_folder, write_atomically

HISTORY_FILE = "evaluation.json"
FEW_FOR_FID = 2000  # images; with fewer, the bias of FID is no longer small


class Metric(NamedTuple):
    """A kind of score."""

    label: str  # the name for people
    definition: str  # the exact definition, which the history records
    needs_features: bool = False  # whether it needs the feature network


METRICS: dict[str, Metric] = {
    "FID": Metric(
        "FID",
        "Frechet distance of Gaussians fitted to the features, sample covariances (Heusel et al. 2017); "
        "95% interval: 1.96 standard deviations of the bootstrap",
        needs_features=True,
    ),
    "KID": Metric(
        "KID x 100",
        "100 x unbiased squared MMD of the features with kernel (x.y / d + 1)^3, mean and standard deviation over 100 "
        "subsets of min(1000, N) images (Binkowski et al. 2018); 95% interval: percentiles of the bootstrap",
        needs_features=True,
    ),
    "mean_KID": Metric(
        '"mean KID" (not KID)',
        "100 x (0.02 KID(target, fake) + 0.98 KID(source, fake)) / 2, each the mean over blocks of at most 10 images "
        "in file order, the standard error over blocks; images resized by Pillow's bilinear filter "
        "(taki0112/GAN_Metrics-Tensorflow); for comparison with the literature only",
        needs_features=True,
    ),
    "l1": Metric("paired L1", "mean absolute difference of the translation and the ground truth, 0 to 1"),
    "cycle": Metric("cycle L1", "mean absolute difference of an image and its translation there and back, 0 to 1"),
    "identity": Metric(
        "identity L1", "mean absolute difference of a target image and what its own generator makes of it, 0 to 1"
    ),
    "cam": Metric(
        "CAM accuracy",
        "share of the generator's CAM logits on the right side of 0, the mean of source (above) and target (below)",
    ),
}


class Estimate(NamedTuple):
    """A score and its uncertainty."""

    value: float
    low: float  # the lower end of its 95% interval by the bootstrap over images; NaN if there are too few images
    high: float  # the upper end
    std: float | None = None  # the standard deviation that the score's definition names; None if it names none

    def __str__(self) -> str:
        std = "" if not self.std or math.isnan(self.std) else f" ± {self.std:.3g}"
        interval = "" if math.isnan(self.low) else f" [{self.low:.4g}, {self.high:.4g}]"
        return f"{self.value:.4g}{std}{interval}"


@dataclasses.dataclass(frozen=True)
class Scored:
    """The scores of one direction."""

    images: int  # the number of translations
    reals: int  # the number of real images of the target domain
    unreadable: int  # the number of images that could not be read; `images` and `reals` do not count them
    scores: dict[str, Estimate]  # the scores, by keys of METRICS


@dataclasses.dataclass(frozen=True)
class Entry:
    """One evaluation."""

    checkpoint: str  # the checkpoint's name for people
    step: int | None  # the checkpoint's step; None if it has none
    dataset: str  # the dataset whose test images were translated
    img_size: int  # side of the translations, in pixels; 0 for folders of pictures, which may have any sizes
    features: dict[str, str]  # `file`, `sha256`, `output` and `resize` of the feature network; empty if none was used
    directions: dict[str, Scored]  # the scores of "A2B", "B2A" or both; for folders of pictures, of "folders"
    # The time of the evaluation, ISO 8601
    date: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now().astimezone().isoformat("T", "seconds")
    )

    def conditions(self, metric: str) -> dict[str, str | int]:
        """Returns everything that a score depends on except the generators: only scores of equal conditions compare.

        Args:
            metric: a key of METRICS.
        """
        found: dict[str, str | int] = {"dataset": self.dataset, "img_size": self.img_size}
        if METRICS[metric].needs_features:  # without the file's path: the same file may lie elsewhere
            names = ("sha256", "output") if metric == "mean_KID" else ("sha256", "output", "resize")
            found |= {name: self.features[name] for name in names if name in self.features}
        return found

    @property
    def scalars(self) -> dict[str, float]:
        """The scores by the names of TensorBoard's curves."""
        return {
            f"evaluation/{direction}/{metric}": score.value
            for direction, scored in self.directions.items()
            for metric, score in scored.scores.items()
        }

    def score(self, direction: str, metric: str) -> Estimate | None:
        """Returns a score of a direction; None if the direction or the score is missing."""
        return self.directions[direction].scores.get(metric) if direction in self.directions else None

    def table(self) -> str:
        """Returns the scores as a table in Markdown."""
        rows = [["", *self.directions], ["---"] * (1 + len(self.directions))]
        for name, metric in METRICS.items():
            found = [self.score(direction, name) for direction in self.directions]
            if any(found):
                rows.append([metric.label, *(str(score or "") for score in found)])
        rows.append(["images", *(f"{scored.images:,}" for scored in self.directions.values())])
        rows.append(["real images", *(f"{scored.reals:,}" for scored in self.directions.values())])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [" | ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join(f"| {line} |" for line in lines)

    def mean(self, metric: str) -> Estimate | None:
        """Returns the mean of a score and its interval over the directions; None if a direction lacks the score."""
        found = [self.score(direction, metric) for direction in self.directions]
        if not found or None in found:
            return None
        return Estimate(*(sum(numbers) / len(found) for numbers in zip(*(each[:3] for each in found), strict=True)))


_ADVICE = "move it away to begin another history"


def read(folder: Path) -> list[Entry]:
    """Reads the history in a folder of results, the oldest entry first; returns an empty list if there is none.

    Raises:
        RunError: The file is damaged.
    """
    return json_files.read(folder / HISTORY_FILE, list[Entry], _ADVICE) or []


def append(folder: Path, entry: Entry) -> None:
    """Adds an evaluation to the history in a folder, which is made if needed. Earlier entries stay as they are.

    Raises:
        RunError: The file is damaged or cannot be written.
    """
    path = folder / HISTORY_FILE
    before = json_files.read(path, list[Any], _ADVICE) or []
    make_folder(folder)
    names = {name for scored in entry.directions.values() for name in scored.scores}
    definitions = {name: metric.definition for name, metric in METRICS.items() if name in names}
    values = json_files.plain(entry) | {"definitions": definitions}
    write_atomically(path, json_files.dumps([*before, values], indent=1))
