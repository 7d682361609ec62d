"""The page of a training: what becomes of the same sample pictures, losses, step and time left, also while it goes on.

It is `index.html` in the run's folder of results. All that it shows lies in `training/` beside it, so that the folder
may be moved, the page be written anew, and a run that is resumed go on with it.
"""

import contextlib
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.reports import evaluation, gallery, sparklines
from ugatit_tf.reports.gallery import Section
from ugatit_tf.reports.sparklines import Curve
from ugatit_tf.system.files import make_folder, write_atomically

PAGE = "index.html"
GALLERY = "gallery.html"  # the test phase's page beside it
_BESIDE = (("Test pictures", GALLERY), ("Scores", evaluation.PAGE))
DATA = "training"  # the folder of what the page shows
DIRECTIONS = ("A2B", "B2A")
SECONDS = 30  # after which the page of a run that goes on is loaded anew
_FILE = "progress.json"  # in that folder
_WIDTH = 160  # of a sample picture, in pixels, at most

_STYLE = """
.columns { display: flex; flex-direction: row-reverse; gap: .5rem; overflow-x: auto; padding-bottom: .5rem; }
.columns:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.columns figure { flex: 1 0 5.5rem; max-width: 10rem; }
.columns figure:first-child { margin-right: auto; }
.columns img { aspect-ratio: auto; border-radius: .5rem; }
.columns .input { position: sticky; left: 0; background: var(--page); box-shadow: .25rem 0 0 .25rem var(--page); }
"""
# Not while somebody looks at earlier stages, or moves through the page by the keyboard: they would lose their place.
_REFRESH = f"""
<noscript><meta http-equiv="refresh" content="{SECONDS}"></noscript>
<script>
setInterval(() => {{
  const back = [...document.querySelectorAll(".columns")].some((columns) => columns.scrollLeft);
  if (!back && !document.querySelector(":focus-visible")) location.reload();
}}, {SECONDS}000);
</script>"""


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the page shows.

    Attributes:
        title: The heading.
        facts: Pairs of label and value, such as the step and the time left.
        warnings: What the reader should know first.
        running: Whether the run goes on.
        inputs: The sample pictures themselves, by "A2B" and "B2A": names of files that `save_column` has written.
        stages: Steps whose translations are shown, ascending; their files are of `stage_name`.
        steps: Of the points of the curves, ascending.
        plots: By title, curves by name: a value at each of the steps, None where it was no finite number.
        awaited: The step of the next sample pictures.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    running: bool
    inputs: Mapping[str, str]
    stages: Sequence[int]
    steps: Sequence[int]
    plots: Mapping[str, Mapping[str, Curve]]
    awaited: int


def stage_name(direction: str, step: int) -> str:
    """The file of a direction's translations at a step."""
    return f"{direction}_{step}.jpg"


def save_column(results: Path, name: str, grid: np.ndarray) -> None:
    """Writes a column of the page, small.

    Args:
        results: The run's folder of results.
        name: Of the file.
        grid: uint8 `[N * S, S, C]`, pictures one below the other.

    Raises:
        RunError: It cannot be written.
    """
    picture = images.to_picture(images.with_channels(grid, 3))
    picture.thumbnail((_WIDTH, picture.height))
    make_folder(results / DATA)
    images.save(results / DATA / name, images.to_pixels(picture), kind="JPEG")


def write(results: Path, progress: Progress) -> None:
    """Writes the page and what it is made of, each whole or not at all, and deletes pictures that it shows no more.

    Raises:
        RunError: It cannot be written.
    """
    make_folder(results / DATA)
    write_atomically(results / DATA / _FILE, (json.dumps(dataclasses.asdict(progress)) + "\n").encode())
    _write_page(results, progress)
    shown = {stage_name(direction, step) for direction in progress.inputs for step in progress.stages}
    shown |= set(progress.inputs.values())
    for path in (results / DATA).glob("*.jpg"):
        if path.name not in shown:
            with contextlib.suppress(OSError):
                path.unlink()


def read(results: Path) -> Progress | None:
    """What a run's page shows; None where there is none, or none that this version wrote."""
    try:
        values = json.loads((results / DATA / _FILE).read_bytes())
        steps = [int(step) for step in values["steps"]]
        return Progress(
            title=str(values["title"]),
            facts=[(str(label), str(fact)) for label, fact in values["facts"]],
            warnings=[str(warning) for warning in values["warnings"]],
            running=bool(values["running"]),
            inputs={direction: str(values["inputs"][direction]) for direction in DIRECTIONS if values["inputs"]},
            stages=[int(step) for step in values["stages"]],
            steps=steps,
            plots={
                str(title): {str(name): _curve(curve, len(steps)) for name, curve in curves.items()}
                for title, curves in values["plots"].items()
            },
            awaited=int(values["awaited"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def write_links(results: Path) -> None:
    """Writes a run's page anew, if there is one, with links to the pages that are beside it by now.

    Raises:
        RunError: It cannot be written.
    """
    progress = read(results)
    if progress is not None:
        _write_page(results, progress)


def _curve(values: Sequence[float | None], count: int) -> list[float | None]:
    curve = [None if value is None else float(value) for value in values]
    if len(curve) != count:
        raise ValueError(f"{len(curve)} values for {count} steps")
    return curve


def _write_page(results: Path, progress: Progress) -> None:
    sections = [
        Section(f"{direction[0]} → {direction[-1]}", (), (), total=0, markup=_stages(progress, direction))
        for direction in DIRECTIONS
    ]
    sections.append(Section("Losses", (), (), total=0, markup=_losses(progress)))
    gallery.write(
        results / PAGE,
        progress.title,
        progress.facts,
        sections,
        progress.warnings,
        head=f"<style>{_STYLE}{sparklines.STYLE}</style>{_REFRESH if progress.running else ''}",
        links=[(label, page) for label, page in _BESIDE if (results / page).is_file()],
    )


def _stages(progress: Progress, direction: str) -> str:
    """A direction's columns. The newest comes first and stands at the right, where the row is scrolled to at first."""
    if not progress.stages:
        return f'<p class="note">The first sample pictures come at step {progress.awaited:,}.</p>'
    columns = [
        _column(stage_name(direction, step), f"{direction} at step {step:,}", f"step {step:,}")
        for step in reversed(progress.stages)
    ]
    columns.append(_column(progress.inputs[direction], f"Inputs of {direction}", "input", ' class="input"'))
    label = f"{direction}, the newest stage first"
    return f'<div class="columns" role="region" aria-label="{label}" tabindex="0">\n{"".join(columns)}</div>'


def _column(name: str, alt: str, caption: str, attributes: str = "") -> str:
    image = f'<img src="{gallery.url(f"{DATA}/{name}")}" alt="{alt}">'
    return f"<figure{attributes}>{image}<figcaption>{caption}</figcaption></figure>\n"


def _losses(progress: Progress) -> str:
    if not progress.steps:
        return '<p class="note">None yet.</p>'
    plots = "\n".join(sparklines.figure(title, progress.steps, curves) for title, curves in progress.plots.items())
    return f'<div class="sparklines">\n{plots}\n</div>'
