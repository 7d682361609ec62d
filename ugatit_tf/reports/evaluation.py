"""The page of scores, which helps to choose a checkpoint: scores over the steps, the same images at every checkpoint.

It shows the content of a run's folder of results: `evaluation.json`, and the pictures in `evaluation/` beside it.
"""

import dataclasses
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from ugatit_tf import json_files
from ugatit_tf.direction import Direction
from ugatit_tf.reports import gallery, plots, scores
from ugatit_tf.reports.gallery import Item, Section
from ugatit_tf.reports.plots import Point
from ugatit_tf.reports.scores import METRICS, Entry
from ugatit_tf.system.files import replace_folder

PAGE = "evaluation.html"
DATA = "evaluation"  # the folder of the page's pictures, beside it
INPUTS, OUTPUTS, DETAILS = "inputs", "outputs", "details"  # folders in DATA
THIS, OTHER = "this run", "other run"  # names in a comparison; the runs' own names may be long
_OTHER = "compared"  # the folder in DATA for copies of another run's pictures


class Run(NamedTuple):
    """The results of a run that this page shows: scores, and translations of the same images by each checkpoint."""

    name: str  # the run's name for people
    entries: Sequence[Entry]  # one entry for each scored checkpoint, in the order of the steps
    steps: Sequence[int]  # the steps of the checkpoints with translations
    inputs: Mapping[str, Sequence[str]]  # the images' file names by direction
    folder: Path  # the folder of the pictures
    data: str  # the same folder, relative to the page

    @property
    def labels(self) -> list[str]:
        """The steps, for people."""
        return [f"step {step:,}" for step in self.steps]

    def outputs(self, direction: str, image: str) -> list[str]:
        """Returns the URL of an image's translation at each step; an empty text if there is none."""
        paths = [f"{OUTPUTS}/{step}/{direction}/{image}" for step in self.steps]
        return [gallery.url(f"{self.data}/{path}") if (self.folder / path).is_file() else "" for path in paths]


def write(results: Path, title: str, compare: Path | None = None) -> Path:
    """Writes `evaluation.html` into a run's folder of results. The folder may be moved as a whole.

    Args:
        results: the folder.
        title: the heading.
        compare: another run's folder of results, which the page also shows; its pictures are copied.

    Returns:
        The page's path.

    Raises:
        RunError: The page cannot be written, or a history is damaged.
    """
    facts = [("Run", results.name)] if compare is None else [(THIS, results.name), (OTHER, compare.name)]
    links = [("Run", "index.html")] if (results / "index.html").is_file() else []
    gallery.write(results / PAGE, title, facts, _sections(results, compare), links=links)
    return results / PAGE


def _sections(results: Path, compare: Path | None) -> list[Section]:
    runs = [_read(THIS, results, results / DATA, DATA)]
    if compare is not None:
        runs.append(_copied(compare, results))
    parts = [Section("Scores", _rows(runs), columns=_columns(runs), total=0, markup=_plots(runs))]
    if any(run.steps for run in runs):
        parts.append(Section("Checkpoints", total=0, markup=gallery.render("stages.html", runs=runs)))
    return [*parts, *_details(results)]


def _read(name: str, results: Path, folder: Path, data: str) -> Run:
    """Returns a run's results: the history in `results`, and the pictures in `folder`.

    The folder contains `inputs/A2B/NAME.png` and `outputs/STEP/A2B/NAME.png`; the page calls it `data`.
    """
    entries = _merged([entry for entry in scores.read(results) if entry.step is not None])
    steps = sorted(int(path.name) for path in folder.glob(f"{OUTPUTS}/*") if path.name.isdecimal())
    inputs = {
        direction: sorted(path.name for path in (folder / INPUTS / direction).glob("*.png")) for direction in Direction
    }
    return Run(name, entries, steps, inputs, folder, data)


def _merged(entries: Sequence[Entry]) -> list[Entry]:
    """Returns one entry for each step: its latest, with the scores that only an earlier entry of the step has.

    Scores that do not compare with the latest of their kind, because network or dataset are others, are left out.
    """
    latest = {
        metric: entry.conditions(metric)
        for entry in entries
        for scored in entry.directions.values()
        for metric in scored.scores
    }
    found: dict[int, Entry] = {}
    for entry in entries:
        directions = dict(found[entry.step].directions) if entry.step in found else {}
        for name, scored in entry.directions.items():
            merged = dict(directions[name].scores) if name in directions else {}
            merged |= {
                metric: score for metric, score in scored.scores.items() if entry.conditions(metric) == latest[metric]
            }
            directions[name] = dataclasses.replace(scored, scores=merged)
        found[entry.step] = dataclasses.replace(entry, directions=directions)
    return [found[step] for step in sorted(found)]


def _copied(compare: Path, results: Path) -> Run:
    """Returns another run's results, and copies its pictures, so that the page needs only its own folder."""
    target = results / DATA / _OTHER
    with replace_folder(target, overwrite=True) as folder:
        for part in (INPUTS, OUTPUTS):
            if (compare / DATA / part).is_dir():
                shutil.copytree(compare / DATA / part, folder / part)
    return _read(OTHER, compare, target, f"{DATA}/{_OTHER}")


def _columns(runs: Sequence[Run]) -> tuple[str, ...]:
    return tuple(
        f"{direction}, step {run.entries[-1].step:,}" + (f", {run.name}" if len(runs) > 1 else "")
        for run in runs
        for direction in (run.entries[-1].directions if run.entries else ())
    )


def _rows(runs: Sequence[Run]) -> tuple[tuple[str, ...], ...]:
    """Returns the table of the latest scores of each run."""
    latest = [scored for run in runs if run.entries for scored in run.entries[-1].directions.values()]
    rows = [
        (metric.label, *(str(scored.scores.get(name, "")) for scored in latest))
        for name, metric in METRICS.items()
        if any(name in scored.scores for scored in latest)
    ]
    return (*rows, ("Images", *(f"{scored.images:,}" for scored in latest))) if rows else ()


def _plots(runs: Sequence[Run]) -> Markup:
    drawn = []
    for key, metric in METRICS.items():
        curves: dict[str, list[Point]] = {}
        for run in runs:
            for direction in Direction:
                found = [(entry.step, entry.score(direction, key)) for entry in run.entries]
                points = [Point(step, *score[:3]) for step, score in found if score and math.isfinite(score.value)]
                if points:
                    curves[f"{direction}, {run.name}" if len(runs) > 1 else direction] = points
        if curves:
            drawn.append(plots.large(metric.label, curves))
    return plots.draw(drawn, "No checkpoint has been scored yet.")


def _details(results: Path) -> list[Section]:
    """Returns the best, the worst and the nearest training images, if `evaluation.pictures` has written them."""
    details = json_files.read_if_valid(results / DATA / DETAILS / f"{DETAILS}.json", dict[str, Any])
    parts = []
    for direction, found in details["directions"].items() if details else ():
        checkpoint = ("Checkpoint", details["checkpoint"])
        title = Direction(direction).arrow
        for kind in ("best", "worst"):
            if found.get(kind):
                rows = (checkpoint, ("Score", found["by"]))
                parts.append(Section(f"{title}: the {kind} {len(found[kind])}", rows, _items(found[kind]), total=0))
        if found.get("neighbours"):
            rows = (
                checkpoint,
                ("Median cosine distance of a translation to its nearest training image", f"{found['median']:.3f}"),
                ("Median cosine distance of a real test image", f"{found['usual']:.3f}"),
            )
            items = _items(found["neighbours"])
            parts.append(Section(f"{title}: nearest training images, the closest first", rows, items, total=0))
    return parts


def _items(found: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    return tuple(
        Item(
            item["name"],
            tuple((caption, f"{DATA}/{DETAILS}/{path}") for caption, path in item["pictures"].items()),
            f"{item['value']:.3f}",
        )
        for item in found
    )
