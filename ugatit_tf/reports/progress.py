"""The page of a training: translations of the same sample pictures, losses, step and time left.

The page is `index.html` in the run's folder of results, from before the first step until the end. Its pictures and data
lie in `training/` beside it. So the folder may be moved, the page may be written again, and a resumed run continues it.
"""

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup

from ugatit_tf import json_files
from ugatit_tf.data import images
from ugatit_tf.direction import Direction
from ugatit_tf.reports import evaluation, gallery, plots
from ugatit_tf.reports.gallery import Section
from ugatit_tf.reports.plots import Curve
from ugatit_tf.system.files import make_folder, write_atomically

PAGE = "index.html"
GALLERY = "gallery.html"  # the test phase's page beside it
_BESIDE = (("Test pictures", GALLERY), ("Scores", evaluation.PAGE))
DATA = "training"  # the folder of the page's pictures and data
SECONDS = 30  # after which the browser reloads the page of a running training
_FILE = "progress.json"  # in the folder DATA
_WIDTH = 160  # pixels; larger sample pictures are scaled down


@dataclasses.dataclass(frozen=True)
class Progress:
    """The contents of the page."""

    title: str  # the heading
    facts: Sequence[tuple[str, str]]  # pairs of label and value, such as the step and the time left
    warnings: Sequence[str]  # the warnings above the sections
    running: bool  # whether the run goes on; the browser then reloads the page
    inputs: Mapping[str, str]  # the files of the sample pictures by direction; `save_column` has written them
    stages: Sequence[int]  # the steps of the shown translations, ascending; `stage_name` names their files
    steps: Sequence[int]  # the steps of the curves' points, ascending
    # The plots by title, and their curves by name: a value for each step, None if it was not finite
    plots: Mapping[str, Mapping[str, Curve]]
    awaited: int  # the step of the next sample pictures

    @property
    def is_complete(self) -> bool:
        """Whether both directions have inputs or neither has, and all curves have a value for each step."""
        curves = [curve for plot in self.plots.values() for curve in plot.values()]
        return set(self.inputs) in (set(), set(Direction)) and all(len(curve) == len(self.steps) for curve in curves)


def stage_name(direction: str, step: int) -> str:
    """Returns the file name of a direction's translations at a step."""
    return f"{direction}_{step}.jpg"


def save_column(results: Path, name: str, grid: np.ndarray) -> None:
    """Writes the pictures of a column of the page, scaled down.

    Args:
        results: the run's folder of results.
        name: the file's name.
        grid: the pictures one below the other, uint8 `[N * S, S, C]`.

    Raises:
        RunError: The file cannot be written.
    """
    picture = images.to_picture(images.with_channels(grid, 3))
    picture.thumbnail((_WIDTH, picture.height))
    make_folder(results / DATA)
    images.save(results / DATA / name, images.to_pixels(picture), kind="JPEG")


def write(results: Path, progress: Progress) -> None:
    """Writes the page and its data, and deletes pictures that are no longer shown.

    Raises:
        RunError: A file cannot be written; the earlier one is still there.
    """
    make_folder(results / DATA)
    write_atomically(results / DATA / _FILE, json_files.dumps(progress))
    _write_page(results, progress)
    shown = {stage_name(direction, step) for direction in progress.inputs for step in progress.stages}
    shown |= set(progress.inputs.values())
    for path in (results / DATA).glob("*.jpg"):
        if path.name not in shown:
            with contextlib.suppress(OSError):
                path.unlink()


def read(results: Path) -> Progress | None:
    """Reads the contents of a run's page; returns None without a page, or if another version wrote its data."""
    progress = json_files.read_if_valid(results / DATA / _FILE, Progress)
    return progress if progress and progress.is_complete else None


def write_links(results: Path) -> None:
    """Writes a run's page again, if there is one, with links to the pages that now lie beside it.

    Raises:
        RunError: The page cannot be written.
    """
    progress = read(results)
    if progress is not None:
        _write_page(results, progress)


def _write_page(results: Path, progress: Progress) -> None:
    sections = [Section(direction.arrow, total=0, markup=_columns(progress, direction)) for direction in Direction]
    drawn = [plots.small(title, progress.steps, curves) for title, curves in progress.plots.items() if progress.steps]
    sections.append(Section("Losses", total=0, markup=plots.draw(drawn, "None yet.")))
    gallery.write(
        results / PAGE,
        progress.title,
        progress.facts,
        sections,
        progress.warnings,
        links=[(label, page) for label, page in _BESIDE if (results / page).is_file()],
        refresh=SECONDS if progress.running else 0,
    )


def _columns(progress: Progress, direction: str) -> Markup:
    """Returns a direction's columns, the newest first; the style sheet shows that one at the right end of the row."""
    columns = [
        (f"{DATA}/{stage_name(direction, step)}", f"{direction} at step {step:,}", f"step {step:,}")
        for step in reversed(progress.stages)
    ]
    if columns:
        columns.append((f"{DATA}/{progress.inputs[direction]}", f"Inputs of {direction}", "input"))
    return gallery.render("columns.html", columns=columns, direction=direction, awaited=progress.awaited)
