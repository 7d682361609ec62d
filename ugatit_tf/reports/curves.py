"""Curves over training steps, as SVG inside a page."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import NamedTuple

_WIDTH, _HEIGHT = 420, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 34  # around the plot
_TICKS = 4

STYLE = """
:root { --curve-0: #2456c7; --curve-1: #b4500f; --curve-2: #2456c7; --curve-3: #b4500f; }
@media (prefers-color-scheme: dark) {
  :root { --curve-0: #8fb0ff; --curve-1: #ffab70; --curve-2: #8fb0ff; --curve-3: #ffab70; }
}
.curves { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr)); }
.curves figure { max-width: none; margin: 0; padding: .875rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; }
.curves figcaption { margin: 0 0 .5rem; color: var(--text); font-size: .875rem; font-weight: 600; text-align: left; }
.curves svg { display: block; width: 100%; height: auto; }
.curves text { fill: var(--quiet); font: 11px system-ui, sans-serif; }
.curves .grid { stroke: var(--line); }
.curves .line { fill: none; stroke-width: 2; }
.curves .band { opacity: .15; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .375rem 0 0; padding: 0; list-style: none;
  color: var(--quiet); font-size: .8125rem; }
.legend svg { display: inline-block; width: 1.5rem; height: .625rem; margin-right: .375rem; vertical-align: middle; }
"""


Scale = Callable[[float], float]  # from a step or a value to a place in the plot


class Point(NamedTuple):
    """A value at a step, and the ends of its interval, NaN where there is none."""

    step: int
    value: float
    low: float
    high: float


def figure(title: str, curves: Mapping[str, Sequence[Point]]) -> str:
    """A plot of up to four curves with their intervals, as a `<figure>`.

    Args:
        title: what it is of.
        curves: by their names, points in the order of their steps; at least one. The third and fourth are dashed.
    """
    points = [point for curve in curves.values() for point in curve]
    first, last = min(point.step for point in points), max(point.step for point in points)
    values = [value for point in points for value in point[1:] if math.isfinite(value)]
    ticks = _ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]

    def x(step: float) -> float:
        share = (step - first) / (last - first) if last > first else 0.5
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM), 1)

    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(tick)}" y2="{y(tick)}"/>'
        f'<text x="{_LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{tick:.5g}</text>'
        for tick in ticks
    )
    steps = sorted({first, last})
    grid += "".join(
        f'<text x="{x(step)}" y="{_HEIGHT - 14}" text-anchor="{anchor}">{step:,}</text>'
        for step, anchor in zip(steps, ("start", "end") if len(steps) > 1 else ("middle",), strict=True)
    )
    grid += f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 2}" text-anchor="middle">step</text>'
    shown = "".join(_curve(number, name, curve, x, y) for number, (name, curve) in enumerate(curves.items()))
    latest = "; ".join(f"{name}: {curve[-1].value:.4g} at step {curve[-1].step:,}" for name, curve in curves.items())
    label = escape(f"{title} over steps. {latest}")
    return f"""<figure>
<figcaption>{escape(title)}</figcaption>
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{grid}{shown}</svg>
<ul class="legend">{"".join(_legend(number, name) for number, name in enumerate(curves))}</ul>
</figure>"""


def _curve(number: int, name: str, curve: Sequence[Point], x: Scale, y: Scale) -> str:
    banded = [point for point in curve if math.isfinite(point.low) and math.isfinite(point.high)]
    edge = [(point.step, point.high) for point in banded] + [(point.step, point.low) for point in reversed(banded)]
    band = " ".join(f"{x(step)},{y(value)}" for step, value in edge)
    line = " ".join(f"{x(point.step)},{y(point.value)}" for point in curve)
    colour = f"var(--curve-{number})"
    dots = "".join(
        f'<circle cx="{x(point.step)}" cy="{y(point.value)}" r="3" fill="{colour}">'
        f"<title>{escape(name)}, step {point.step:,}: {point.value:.4g}</title></circle>"
        for point in curve
    )
    return (
        f'<polygon class="band" fill="{colour}" points="{band}"/>' if len(banded) > 1 else ""
    ) + f'<polyline class="line" stroke="{colour}"{_dashes(number)} points="{line}"/>{dots}'


def _legend(number: int, name: str) -> str:
    line = f'<line x1="0" y1="5" x2="24" y2="5" stroke="var(--curve-{number})" stroke-width="3"{_dashes(number)}/>'
    return f'<li><svg viewBox="0 0 24 10" aria-hidden="true">{line}</svg>{escape(name)}</li>'


def _dashes(number: int) -> str:
    return ' stroke-dasharray="5 4"' if number > 1 else ""


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose an interval, equally far apart."""
    if high <= low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) / _TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]
