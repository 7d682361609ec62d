"""Small curves over training steps, as SVG inside a page: what the losses do, at a glance."""

from collections.abc import Mapping, Sequence
from html import escape

Curve = Sequence[float | None]

_WIDTH, _HEIGHT = 300, 90
_SMOOTHED_BY = 20  # the part of a curve that a point's mean is over

STYLE = """
:root { --spark-0: #2456c7; --spark-1: #b4500f; }
@media (prefers-color-scheme: dark) { :root { --spark-0: #8fb0ff; --spark-1: #ffab70; } }
.sparklines { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
.sparklines figure { max-width: none; padding: .875rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; }
.sparklines figcaption { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0 0 .5rem; }
.sparklines b { flex: 1; color: var(--text); font-weight: 600; text-align: left; }
.sparklines svg { display: block; width: 100%; height: 6rem; border-bottom: 1px solid var(--line); }
.sparklines path { fill: none; stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.sparklines .raw { stroke-width: 1; opacity: .3; }
.sparklines p { display: flex; justify-content: space-between; }
"""


def figure(title: str, steps: Sequence[int], curves: Mapping[str, Curve]) -> str:
    """A plot from 0, or the least value, to the greatest, as a `<figure>`; behind the means, the values themselves.

    Args:
        title: what it is of.
        steps: of the points, ascending; at least one.
        curves: one or two by their names: a value at each step, None where there is none.
    """
    means = {name: _means(values) for name, values in curves.items()}
    known = [value for values in means.values() for value in values if value is not None]
    low, high = min((0.0, *known)), max((0.0, *known))

    def path(number: int, values: Curve, kind: str) -> str:
        return f'<path class="{kind}" stroke="var(--spark-{number})" d="{_path(steps, values, low, high)}"/>'

    paths = [path(number, values, "raw") for number, values in enumerate(curves.values())]
    paths += [path(number, values, "mean") for number, values in enumerate(means.values())]
    newest = {name: "–" if values[-1] is None else f"{values[-1]:.3g}" for name, values in means.items()}
    legend = "".join(
        f'<span style="color: var(--spark-{number})">{escape(name)} {value}</span>'
        for number, (name, value) in enumerate(newest.items())
    )
    now = ", ".join(f"{name} {value}" for name, value in newest.items())
    label = escape(f"{title} over steps {steps[0]:,} to {steps[-1]:,}, between {low:.3g} and {high:.3g}; now {now}")
    return f"""<figure>
<figcaption><b>{escape(title)}</b>{legend}</figcaption>
<p class="note">{high:.3g}</p>
<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">{"".join(paths)}</svg>
<p class="note"><span>{low:.3g}</span><span>step {steps[-1]:,}</span></p>
</figure>"""


def _means(values: Curve) -> list[float | None]:
    """Each value's mean with its neighbours; None where there is none among them."""
    reach = len(values) // (2 * _SMOOTHED_BY)
    means = []
    for index in range(len(values)):
        near = [value for value in values[max(0, index - reach) : index + reach + 1] if value is not None]
        means.append(sum(near) / len(near) if near else None)
    return means


def _path(steps: Sequence[int], values: Curve, low: float, high: float) -> str:
    """The commands of an SVG path from step 0 to the last, torn where there is no value."""
    across, up = _WIDTH / steps[-1], _HEIGHT / ((high - low) or 1)
    commands, pen = [], "M"
    for step, value in zip(steps, values, strict=True):
        if value is None:
            pen = "M"
        else:
            commands.append(f"{pen}{step * across:.0f},{(high - value) * up:.0f}")
            pen = "L"
    return "".join(commands)
