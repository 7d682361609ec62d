import math
import re
from xml.etree import ElementTree

import pytest

from ugatit_tf.reports import plots
from ugatit_tf.reports.plots import Point


def figure_of(plot):
    return ElementTree.fromstring(plots.draw([plot], "nothing")).find("figure")


def large(title, curves):
    return figure_of(plots.large(title, curves))


def small(title, steps, curves):
    return figure_of(plots.small(title, steps, curves))


def paths(figure, kind):
    """By the paths of a kind: stretches of (x, y)."""
    found = [path.get("d").rstrip("Z") for path in figure.iter("path") if path.get("class") == kind]
    return [
        [[tuple(map(float, point.split(","))) for point in stretch.split("L")] for stretch in d.split("M")[1:]]
        for d in found
    ]


def test_points_lie_where_they_should():
    curve = [Point(100, 0.0, -1.0, 1.0), Point(200, 2.0, 1.0, 3.0), Point(300, 4.0, 3.0, 4.0)]
    figure = large("FID", {"A2B": curve})
    [[line]] = paths(figure, "line")
    assert [x for x, _ in line] == pytest.approx([58, 233, 408], abs=0.1)
    labels = {text.text: float(text.get("y")) - 4 for text in list(figure.iter("text"))}
    assert [y for _, y in line] == pytest.approx([labels["0"], labels["2"], labels["4"]], abs=0.1)
    [[band]] = paths(figure, "band")
    assert band[0][1] == pytest.approx((labels["0"] + labels["2"]) / 2, abs=0.1)
    assert len(band) == 6
    assert {"100", "300", "step"} <= labels.keys()


def test_names_are_shown_as_text():
    figure = large("<b>", {"a & <b>": [Point(1, 1, 0, 2)]})
    assert figure.find("figcaption/b").text == "<b>"
    assert figure.find("svg//title").text == "a & <b>, step 1: 1"
    assert list(figure.iter("li"))[0][0].tail == "a & <b>"
    assert list(figure.iter("svg"))[0].get("aria-label") == "<b> over steps. a & <b>: 1 at step 1"


@pytest.mark.parametrize(
    "curve",
    [
        [Point(5, 3.0, math.nan, math.nan)],
        [Point(5, 0.0, 0.0, 0.0), Point(6, 0.0, 0.0, 0.0)],
        [Point(5, 1e12, 1e11, 1e13), Point(6, -1e12, -1e13, 1e11)],
        [Point(5, 1e-9, 0, math.nan), Point(6, 2e-9, 0, 3e-9)],
    ],
)
def test_awkward_numbers_are_drawn_inside(curve):
    figure = large("x", {"A2B": curve})
    for circle in list(figure.iter("circle")):
        assert 58 <= float(circle.get("cx")) <= 408
        assert 12 <= float(circle.get("cy")) <= 206
    assert not re.search(r"nan|inf", ElementTree.tostring(figure, "unicode"))


def test_a_second_run_is_dashed():
    figure = large("x", {name: [Point(1, number, 0, 1)] for number, name in enumerate("abcd")})
    assert [line.get("stroke-dasharray") for line in figure.iter("path") if line.get("class") == "line"] == [
        None,
        None,
        "5 4",
        "5 4",
    ]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 4, [0, 1, 2, 3, 4]), (0.13, 0.19, [0.12, 0.14, 0.16, 0.18, 0.2]), (3, 3, [1.5, 2, 2.5, 3, 3.5, 4, 4.5])],
)
def test_ticks_are_round(low, high, ticks):
    found = plots._ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    if low != high:
        assert found == ticks


def test_a_point_lies_where_its_step_and_value_are():
    figure = small("Loss", (1, 5, 10), {"A": (4.0, 1.0, 0.0), "B": (2.0, 2.0, 3.0)})
    assert paths(figure, "raw")[0] == [[(30, 0), (150, 68), (300, 90)]]  # of a box of 300 by 90, from 0 to 4
    assert paths(figure, "raw")[1] == [[(30, 45), (150, 45), (300, 22)]]
    assert paths(figure, "mean") == paths(figure, "raw")  # of so few points, each stands for itself


def test_many_points_are_averaged_with_their_neighbours():
    values = [0.0, 8.0] * 40
    figure = small("Loss", range(1, 81), {"A": values})
    [[mean]] = paths(figure, "mean")
    # Two on each side: 0 8 0 8 0 makes 3.2, 8 0 8 0 8 makes 4.8, and 8 0 8 at the end 5.33, the highest.
    assert {y for _, y in mean[2:-2]} == {9, 36}
    assert mean[-1] == (300, 0)
    assert {y for _, y in paths(figure, "raw")[0][0]} == {90, -45}  # above the box, where it is cut off


def test_a_value_that_is_none_tears_the_curve():
    figure = small("Loss", (1, 2, 3, 4), {"A": (1.0, None, 2.0, 4.0), "B": (None,) * 4})
    assert [len(stretch) for stretch in paths(figure, "raw")[0]] == [1, 2]
    assert paths(figure, "raw")[1] == []
    assert [legend.text for legend in figure.find("figcaption").iter("span")] == ["A 4", "B –"]


@pytest.mark.parametrize(
    ("values", "ends"), [((0.0, 0.0), ("0", "0")), ((-2.0, -1.0), ("-2", "0")), ((5.0,), ("0", "5"))]
)
def test_the_ends_of_the_scale_are_told_and_include_0(values, ends):
    figure = small("Loss", range(10, 10 + len(values)), {"A": values})
    low, high = ends
    top, bottom = figure.findall("p")
    assert top.text == high
    assert [span.text for span in bottom] == [low, f"step {9 + len(values)}"]


def test_texts_arrive_as_text():
    figure = small('<b> & "c"', (1, 2000), {"A <i>": (0.25, 0.5)})
    assert figure.find("figcaption/b").text == '<b> & "c"'
    assert figure.find("figcaption/span").text == "A <i> 0.5"
    label = figure.find("svg").get("aria-label")
    assert label == '<b> & "c" over steps 1 to 2,000, between 0 and 0.5; now A <i> 0.5'
