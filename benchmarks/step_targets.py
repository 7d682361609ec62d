"""Makes the tables of `benchmarks.step_time`: the measured figures, and the targets for some of them."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Results = Mapping[str, Mapping[str, Any]]  # name of the case: name of the figure: figure

_COLUMNS = {
    "gflops": "GFLOP/s",
    "start_s": "start to end of first step, s",
    "step_s": "s a step",
    "step_ratio": "over its convolutions",
    "translation_s": "s a translation",
    "translation_ratio": "over its convolutions",
    "peak_gb": "peak GB",
}


class Target(NamedTuple):
    """A limit for a figure: an upper limit, but a lower limit for images per second.

    Attributes:
        text: the target's name in the table.
        case: the case that has the figure.
        figure: the figure's name in the results.
        bound: the limit for the figure, or, with `over`, for its ratio to the same figure of another case.
        over: the other case.
        in_base: whether the other case is in the base's results.
    """

    text: str
    case: str
    figure: str
    bound: float
    over: str | None = None
    in_base: bool = False

    def measured(self, results: Results, base: Results) -> float | None:
        """Returns the figure or the ratio; None if it was not measured."""
        value = results.get(self.case, {}).get(self.figure)
        if value is None or self.over is None:
            return value
        other = (base if self.in_base else results).get(self.over, {}).get(self.figure)
        return None if other is None else value / other


TARGETS = (
    Target("step, 64 px, ch 16, over base", "64 px, ch 16", "step_s", 0.40, "64 px, ch 16", in_base=True),
    Target("step, 128 px, ch 32, over base", "128 px, ch 32", "step_s", 0.65, "128 px, ch 32", in_base=True),
    Target("step, light, over base", "light", "step_s", 0.85, "light", in_base=True),
    Target("step, bfloat16, over base's float32", "bfloat16", "step_s", 0.62, "light", in_base=True),
    Target("start of the demo's command to end of its first step, s", "demo", "start_s", 6),
    Target("step, float32, over its convolutions", "light", "step_ratio", 1.10),
    Target("step, bfloat16 / float32", "bfloat16", "step_s", 0.55, "light"),
    Target("translation, float32, over its convolutions", "light", "translation_ratio", 1.0),
    Target("translation, bfloat16 / float32", "bfloat16", "translation_s", 0.52, "light"),
    Target("translation, batch 8, images/s over batch 1", "batch 8, translation", "images_per_s", 1.1, "light"),
    Target("train step at batch 4 / batch 1, per image", "batch 4", "step_s_per_image", 0.9, "light"),
    Target("start to end of first step, less a step, s", "light", "start_less_step_s", 10),
    Target("peak, light, GB", "light", "peak_gb", 6),
    Target("peak, full, GB", "full", "peak_gb", 14),
    Target("peak, full with --recompute, GB", "full, recompute", "peak_gb", 11),
)


def tables(results: Results, base: Results) -> str:
    """Returns a table of the cases, with ratios to the base in brackets, and below it a table of their targets."""
    lines = [f"| case | {' | '.join(_COLUMNS.values())} |", f"| --- |{' ---: |' * len(_COLUMNS)}"]
    for case, row in results.items():
        cells = (_cell(row.get(figure), base.get(case, {}).get(figure)) for figure in _COLUMNS)
        lines.append(f"| {case} | {' | '.join(cells)} |")
    lines += ["", "| | measured | target |", "| --- | ---: | ---: |"]
    lines += [f"| {target.text} | {value:.2f} | {target.bound} |" for target, value in _reached(results, base)]
    return "\n".join(lines)


def _reached(results: Results, base: Results) -> Iterator[tuple[Target, float]]:
    for target in TARGETS:
        value = target.measured(results, base)
        if value is not None:
            yield target, value


def _cell(value: float | None, base: float | None) -> str:
    if value is None:
        return ""
    text = f"{value:.2f}" if value >= 1 else f"{value:.3f}"
    return text if base is None else f"{text} ({value / base:.2f})"
