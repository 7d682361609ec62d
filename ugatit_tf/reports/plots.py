"""Plots over training steps, as SVG inside a page: large plots of scores, small plots of losses.

This module computes the coordinates of lines and the texts of labels; `templates/plots.html` draws both kinds.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from ugatit_tf.reports.gallery import render

Curve = Sequence[float | None]

_WIDTH, _HEIGHT = 420, 240  # of a large plot
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 12, 34  # its margins
_SQUARE = 194  # the side of the square in which places are drawn
_TICKS = 4
_SMALL_WIDTH, _SMALL_HEIGHT = 300, 90
_SMOOTHED_BY = 20  # a smoothed value is the mean over this fraction of the curve


class Point(NamedTuple):
    """A value at a step, and the ends of its interval; NaN if the interval is not known."""

    step: int
    value: float
    low: float
    high: float


class Mark(NamedTuple):
    """A text at a place in a plot: the label of a tick, or the title of a dot."""

    x: float
    y: float
    text: str
    anchor: str = "end"


class Line(NamedTuple):
    """A line of a plot: its CSS class, the number of its curve, an SVG path, and dots on it."""

    kind: str
    number: int
    path: str
    dots: Sequence[Mark] = ()


class Plot(NamedTuple):
    """A plot as the template draws it."""

    title: str  # the caption
    label: str  # a description for a reader who cannot see the plot
    width: int  # in the SVG's own coordinates, like the height
    height: int
    lines: Sequence[Line]  # the lines; later ones cover earlier ones
    legend: Sequence[str]  # a text for each curve
    values: Sequence[Mark] = ()  # the labels at the left of a large plot
    steps: Sequence[Mark] = ()  # the labels below a large plot
    ends: Sequence[str] = ()  # the least and the greatest value and the last step of a small plot


def draw(plots: Sequence[Plot], nothing: str) -> Markup:
    """Returns the HTML of plots of one kind; without plots, that of the sentence `nothing`."""
    return render("plots.html", plots=plots, nothing=nothing)


def large(title: str, curves: Mapping[str, Sequence[Point]]) -> Plot:
    """Returns a plot of up to four curves with axes and intervals.

    Args:
        title: the caption.
        curves: the points of each curve by its name, at least one, in the order of steps. The third and the fourth
            curve are dashed.
    """
    points = [point for curve in curves.values() for point in curve]
    steps = sorted({min(point.step for point in points), max(point.step for point in points)})
    finite = [value for point in points for value in point[1:] if math.isfinite(value)]
    ticks = _ticks(min(finite), max(finite))
    widened = (steps[0], steps[1]) if len(steps) > 1 else (steps[0] - 1, steps[0] + 1)  # a single step: in the middle
    x = _scale(*widened, _LEFT, _WIDTH - _RIGHT)
    y = _scale(ticks[-1], ticks[0], _TOP, _HEIGHT - _BOTTOM)
    lines = []
    for number, (name, curve) in enumerate(curves.items()):
        banded = [point for point in curve if math.isfinite(point.low) and math.isfinite(point.high)]
        if len(banded) > 1:
            edge = [(point.step, point.high) for point in banded]
            edge += [(point.step, point.low) for point in reversed(banded)]
            lines.append(Line("band", number, _path(edge, x, y)))
        dots = [
            Mark(x(point.step), y(point.value), f"{name}, step {point.step:,}: {point.value:.4g}") for point in curve
        ]
        lines.append(Line("line", number, _path([point[:2] for point in curve], x, y), dots))
    latest = "; ".join(f"{name}: {curve[-1].value:.4g} at step {curve[-1].step:,}" for name, curve in curves.items())
    anchors = ("start", "end") if len(steps) > 1 else ("middle",)
    below = [Mark(x(step), _HEIGHT - 14, f"{step:,}", anchor) for step, anchor in zip(steps, anchors, strict=True)]
    return Plot(
        title,
        f"{title} over steps. {latest}",
        _WIDTH,
        _HEIGHT,
        lines,
        legend=list(curves),
        values=[Mark(_LEFT - 6, y(tick), f"{tick:.5g}") for tick in ticks],
        steps=[*below, Mark((_LEFT + _WIDTH) / 2, _HEIGHT - 2, "step", "middle")],
    )


def scatter(title: str, points: Mapping[str, Sequence[tuple[float, float, str]]]) -> Plot:
    """Returns a plot of places in squares.

    Args:
        title: the caption.
        points: by the names of up to four groups, each place from the left and from the top as shares of the square's
            side, with its text.
    """
    bottom = _TOP + _SQUARE
    lines = [
        Line(
            "line",
            number,
            "",
            [Mark(round(_LEFT + _SQUARE * x, 1), round(_TOP + _SQUARE * y, 1), text) for x, y, text in group],
        )
        for number, group in enumerate(points.values())
    ]
    counts = ", ".join(f"{name}: {len(group)}" for name, group in points.items())
    return Plot(
        title,
        f"{title}. {counts}",
        _LEFT + _SQUARE + _RIGHT,
        bottom + _BOTTOM,
        lines,
        legend=list(points),
        values=[Mark(_LEFT - 6, _TOP + _SQUARE * share, f"{share:.0%}") for share in (0, 0.5, 1)],
        steps=[
            Mark(_LEFT + _SQUARE * share, bottom + 20, f"{share:.0%}", anchor)
            for share, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
        ],
    )


def small(title: str, steps: Sequence[int], curves: Mapping[str, Curve]) -> Plot:
    """Returns a plot of smoothed curves without axes, with the values themselves behind them.

    The vertical range contains 0 and all smoothed values.

    Args:
        title: the caption.
        steps: the steps of the points, ascending; at least one.
        curves: one or two curves by their names: a value for each step, None if there is none.
    """
    means = {name: _means(values) for name, values in curves.items()}
    known = [value for values in means.values() for value in values if value is not None]
    low, high = min((0.0, *known)), max((0.0, *known))
    x = _scale(0, steps[-1], 0, _SMALL_WIDTH, digits=None)
    y = _scale(high, low, 0, _SMALL_HEIGHT, digits=None)
    lines = [
        Line(kind, number, _path(zip(steps, values, strict=True), x, y))
        for kind, drawn in (("raw", curves), ("mean", means))
        for number, values in enumerate(drawn.values())
    ]
    newest = [f"{name} {'–' if values[-1] is None else format(values[-1], '.3g')}" for name, values in means.items()]
    label = f"{title} over steps {steps[0]:,} to {steps[-1]:,}, between {low:.3g} and {high:.3g}; now "
    ends = (f"{low:.3g}", f"{high:.3g}", f"step {steps[-1]:,}")
    return Plot(title, label + ", ".join(newest), _SMALL_WIDTH, _SMALL_HEIGHT, lines, newest, ends=ends)


def _scale(first: float, last: float, start: float, end: float, digits: int | None = 1) -> Callable[[float], float]:
    """Returns the linear map of first to start and last to end, which rounds its result."""
    factor = (end - start) / ((last - first) or 1)
    return lambda value: round(start + (value - first) * factor, digits)


def _path(points: Iterable[tuple[float, float | None]], x: Callable, y: Callable) -> str:
    """Returns the commands of an SVG path; a value of None interrupts the line."""
    commands, pen = [], "M"
    for step, value in points:
        if value is not None:
            commands.append(f"{pen}{x(step)},{y(value)}")
        pen = "M" if value is None else "L"
    return "".join(commands)


def _means(values: Curve) -> list[float | None]:
    """Returns the mean of each value and its neighbours without the Nones among them; None if all are None."""
    reach = len(values) // (2 * _SMOOTHED_BY)
    means = []
    for index in range(len(values)):
        near = [value for value in values[max(0, index - reach) : index + reach + 1] if value is not None]
        means.append(sum(near) / len(near) if near else None)
    return means


def _ticks(low: float, high: float) -> list[float]:
    """Returns round numbers at equal distances that enclose an interval."""
    if high <= low:
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    rough = (high - low) / _TICKS
    size = 10 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in (1, 2, 2.5, 5, 10) if factor * size >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.10g}") for number in range(first, last + 1)]
