"""The same images as every checkpoint of a run translates them, under a slider of the checkpoints."""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple, Self

from ugatit_tf.reports.gallery import url

STYLE = """
.stage { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1rem; margin-bottom: 1rem; }
.stage input { flex: 1 1 14rem; max-width: 40rem; min-width: 0; accent-color: var(--link); }
.stage input:focus-visible { outline: 3px solid var(--link); outline-offset: 4px; }
.stage output { font-variant-numeric: tabular-nums; font-weight: 600; }
.stages h3 { margin: 1rem 0 .5rem; }
.stages h4 { margin: 0; font-size: .875rem; overflow-wrap: anywhere; }
.missing { visibility: hidden; }
"""
SCRIPT = """
document.addEventListener("input", ({target}) => {
  if (!target.matches(".stage input")) return;
  const index = Number(target.value), names = JSON.parse(target.dataset.names);
  target.parentElement.querySelector("output").value = names[index];
  target.setAttribute("aria-valuetext", names[index]);
  for (const image of document.querySelectorAll(`img[data-run="${target.dataset.run}"]`)) {
    const source = JSON.parse(image.dataset.sources)[index];
    image.classList.toggle("missing", !source);
    if (source) image.src = image.parentElement.href = source;
  }
});
"""


class Stages(NamedTuple):
    """What a run's checkpoints make of the same images.

    Attributes:
        name: of the run, for people.
        steps: of the checkpoints.
        inputs: by direction, the images' file names.
        folder: of the pictures on the disk.
        data: the same, relative to the page.
    """

    name: str
    steps: tuple[int, ...]
    inputs: dict[str, list[str]]
    folder: Path
    data: str

    @classmethod
    def find(cls, name: str, folder: Path, data: str) -> Self:
        """What there is in a folder with `inputs/A2B/NAME.png` and `outputs/STEP/A2B/NAME.png`."""
        steps = sorted(int(path.name) for path in folder.glob("outputs/*") if path.name.isdecimal())
        inputs = {
            direction: sorted(path.name for path in (folder / "inputs" / direction).glob("*.png"))
            for direction in ("A2B", "B2A")
        }
        return cls(name, tuple(steps), inputs, folder, data)

    def output(self, step: int, direction: str, image: str) -> str:
        """The URL of an output; empty where there is none."""
        path = f"outputs/{step}/{direction}/{image}"
        return url(f"{self.data}/{path}") if (self.folder / path).is_file() else ""


def markup(runs: Sequence[Stages]) -> str:
    """A slider for each run, and for each image the input beside what the runs make of it.

    Args:
        runs: one or two; of the second, the images count that the first has too.
    """
    sliders = "".join(_slider(number, run, alone=len(runs) == 1) for number, run in enumerate(runs) if run.steps)
    parts = []
    for direction, names in runs[0].inputs.items():
        articles = "".join(_article(runs, direction, name) for name in names)
        if articles:
            style = f"--pictures: {1 + len(runs)}"
            parts.append(
                f'<h3>{direction[0]} → {direction[-1]}</h3>\n<div class="items" style="{style}">{articles}</div>'
            )
    return f'<div class="stages">\n{sliders}\n{"".join(parts)}\n</div>'


def _slider(number: int, run: Stages, *, alone: bool) -> str:
    names = escape(json.dumps([f"step {step:,}" for step in run.steps]))
    last = len(run.steps) - 1
    label = "Checkpoint" if alone else f"Checkpoint of {run.name}"
    return (
        f'<div class="stage"><label for="stage-{number}">{escape(label)}</label>'
        f'<input id="stage-{number}" type="range" min="0" max="{last}" value="{last}" data-run="{number}" '
        f'data-names="{names}" aria-valuetext="step {run.steps[last]:,}" autocomplete="off">'
        f'<output for="stage-{number}">step {run.steps[last]:,}</output></div>\n'
    )


def _article(runs: Sequence[Stages], direction: str, name: str) -> str:
    source = url(f"{runs[0].data}/inputs/{direction}/{name}")
    stem = name.removesuffix(".png")
    figures = _figure(f'src="{source}"', source, f"{stem}, input", "input")
    for number, run in enumerate(runs):
        if not run.steps or name not in run.inputs[direction]:
            continue
        sources = [run.output(step, direction, name) for step in run.steps]
        caption = "output" if len(runs) == 1 else run.name
        missing = "" if sources[-1] else ' class="missing"'
        data = f'src="{sources[-1]}" data-run="{number}" data-sources="{escape(json.dumps(sources))}"{missing}'
        figures += _figure(data, sources[-1], f"{stem}, {caption}", caption)
    title = f'<div class="title"><h4>{escape(stem)}</h4></div>'
    return f'<article>{title}<div class="pictures">{figures}</div></article>\n'


def _figure(attributes: str, link: str, alt: str, caption: str) -> str:
    image = f'<img {attributes} alt="{escape(alt)}" width="160" height="160" decoding="async">'
    return f'<figure><a href="{link}">{image}</a><figcaption>{escape(caption)}</figcaption></figure>'
