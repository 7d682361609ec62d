"""The page of scores helps to choose a checkpoint: scores over the steps, and the same images at every checkpoint.

All of it comes from a run's folder of results: `evaluation.json`, and the pictures in `evaluation/` beside it.
"""

import dataclasses
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from markupsafe import Markup

from ugatit_tf import json_files
from ugatit_tf.reports import gallery, plots, scores
from ugatit_tf.reports.gallery import Item, Section
from ugatit_tf.reports.plots import Point
from ugatit_tf.reports.scores import METRICS, Entry, Scored
from ugatit_tf.system.files import replace_folder

PAGE = "evaluation.html"
DATA = "evaluation"  # the folder of the page's pictures, beside it
INPUTS, OUTPUTS, DETAILS = "inputs", "outputs", "details"  # folders in DATA
THIS, OTHER = "this run", "other run"  # names in a comparison, as the runs' own names may be long
_OTHER = "compared"  # the folder in DATA for copies of another run's pictures


class Stages(NamedTuple):
    """The translations of the same images by each checkpoint of a run.

    Attributes:
        name: the run's, for people.
        steps: of the checkpoints.
        inputs: the images' file names by direction.
        folder: the pictures' folder on the disk.
        data: the same folder, relative to the page.
    """

    name: str
    steps: tuple[int, ...]
    inputs: dict[str, list[str]]
    folder: Path
    data: str

    @classmethod
    def find(cls, name: str, folder: Path, data: str) -> Self:
        """Returns the pictures in a folder with `inputs/A2B/NAME.png` and `outputs/STEP/A2B/NAME.png`."""
        steps = sorted(int(path.name) for path in folder.glob(f"{OUTPUTS}/*") if path.name.isdecimal())
        inputs = {
            direction: sorted(path.name for path in (folder / INPUTS / direction).glob("*.png"))
            for direction in ("A2B", "B2A")
        }
        return cls(name, tuple(steps), inputs, folder, data)

    @property
    def labels(self) -> list[str]:
        """The steps, for people."""
        return [f"step {step:,}" for step in self.steps]

    def outputs(self, direction: str, image: str) -> list[str]:
        """Returns the URL of an image's translation at each step, an empty one where there is none."""
        paths = [f"{OUTPUTS}/{step}/{direction}/{image}" for step in self.steps]
        return [gallery.url(f"{self.data}/{path}") if (self.folder / path).is_file() else "" for path in paths]


class Run(NamedTuple):
    """The results of a run that this page shows.

    Attributes:
        name: for people.
        entries: one for each checkpoint with the latest scores, in the order of the steps.
        stages: its checkpoints' translations of the same images.
    """

    name: str
    entries: Sequence[Entry]
    stages: Stages


def write(results: Path, title: str, compare: Path | None = None) -> Path:
    """Writes `evaluation.html` into a run's folder of results. The folder may be moved as a whole.

    Args:
        results: the folder.
        title: the heading.
        compare: another run's folder of results to show beside this one; its pictures are copied.

    Returns:
        The page's path.

    Raises:
        RunError: the page cannot be written, or a history is damaged.
    """
    facts = [("Run", results.name)] if compare is None else [(THIS, results.name), (OTHER, compare.name)]
    links = [("Run", "index.html")] if (results / "index.html").is_file() else []
    gallery.write(results / PAGE, title, facts, _sections(results, compare), links=links)
    return results / PAGE


def _sections(results: Path, compare: Path | None) -> list[Section]:
    runs = [_read(THIS, results, DATA)]
    if compare is not None:
        runs.append(_copied(compare, results))
    parts = [Section("Scores", _rows(runs), (), _columns(runs), total=0, markup=_plots(runs))]
    if any(run.stages.steps for run in runs):
        markup = gallery.render("stages.html", runs=[run.stages for run in runs])
        parts.append(Section("Checkpoints", (), (), total=0, markup=markup))
    return [*parts, *_details(results)]


def _read(name: str, results: Path, data: str) -> Run:
    """Returns a run's results; `data` is the folder of its pictures, relative to the page."""
    found: dict[int, Entry] = {}
    for entry in _comparable([entry for entry in scores.read(results) if entry.step is not None]):
        found[entry.step] = _merged(found[entry.step], entry) if entry.step in found else entry
    return Run(name, [found[step] for step in sorted(found)], Stages.find(name, results / DATA, data))


def _comparable(entries: Sequence[Entry]) -> list[Entry]:
    """The entries without scores that do not compare with the latest of their kind: of another network or dataset."""
    latest = {
        metric: entry.conditions(metric)
        for entry in entries
        for scored in entry.directions.values()
        for metric in scored.scores
    }

    def kept(entry: Entry, scored: Scored) -> Scored:
        names = [name for name in scored.scores if entry.conditions(name) == latest[name]]
        return dataclasses.replace(scored, scores={name: scored.scores[name] for name in names})

    return [
        dataclasses.replace(entry, directions={name: kept(entry, each) for name, each in entry.directions.items()})
        for entry in entries
    ]


def _merged(earlier: Entry, later: Entry) -> Entry:
    """Returns the later of two evaluations of a checkpoint, completed by scores that only the earlier one has."""
    directions = dict(earlier.directions)
    for name, scored in later.directions.items():
        known = directions[name].scores if name in directions else {}
        directions[name] = dataclasses.replace(scored, scores=known | scored.scores)
    return dataclasses.replace(later, directions=directions)


def _copied(compare: Path, results: Path) -> Run:
    """Returns another run's results, and copies its pictures, so that the page needs only its own folder."""
    target = results / DATA / _OTHER
    with replace_folder(target, overwrite=True) as folder:
        for part in (INPUTS, OUTPUTS):
            if (compare / DATA / part).is_dir():
                shutil.copytree(compare / DATA / part, folder / part)
    run = _read(OTHER, compare, DATA)
    return run._replace(stages=Stages.find(OTHER, target, f"{DATA}/{_OTHER}"))


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
    for metric in METRICS:
        found: dict[str, list[Point]] = {}
        for run in runs:
            for direction in ("A2B", "B2A"):
                name = f"{direction}, {run.name}" if len(runs) > 1 else direction
                points = _points(run.entries, direction, metric)
                if points:
                    found[name] = points
        if found:
            drawn.append(plots.large(METRICS[metric].label, found))
    return plots.draw(drawn, "No checkpoint has been scored yet.")


def _points(entries: Sequence[Entry], direction: str, metric: str) -> list[Point]:
    found = []
    for entry in entries:
        scored = entry.directions.get(direction)
        score = scored.scores.get(metric) if scored else None
        if score is not None and math.isfinite(score.value):
            found.append(Point(entry.step, *score[:3]))
    return found


def _details(results: Path) -> list[Section]:
    """Returns the best, the worst and the nearest training images, if `evaluation.pictures` has written them."""
    details = json_files.read_if_valid(results / DATA / DETAILS / f"{DETAILS}.json", dict[str, Any])
    parts = []
    for direction, found in details["directions"].items() if details else ():
        of = ("Checkpoint", details["checkpoint"])
        way = f"{direction[0]} → {direction[-1]}"
        for kind in ("best", "worst"):
            if found.get(kind):
                rows = (of, ("Score", found["by"]))
                parts.append(Section(f"{way}: the {kind} {len(found[kind])}", rows, _items(found[kind]), total=0))
        if found.get("neighbours"):
            rows = (
                of,
                ("Median cosine distance of a translation to its nearest training image", f"{found['median']:.3f}"),
                ("Median cosine distance of a real test image", f"{found['usual']:.3f}"),
            )
            items = _items(found["neighbours"])
            parts.append(Section(f"{way}: nearest training images, the closest first", rows, items, total=0))
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
