import math
import re
from xml.etree import ElementTree

import pytest

from ugatit_tf.reports import curves
from ugatit_tf.reports.curves import Point


def elements(figure, tag):
    return list(ElementTree.fromstring(figure.replace("&nbsp;", " ")).iter(tag))


def places(polyline):
    return [tuple(map(float, pair.split(","))) for pair in polyline.get("points").split()]


def test_points_lie_where_they_should():
    curve = [Point(100, 0.0, -1.0, 1.0), Point(200, 2.0, 1.0, 3.0), Point(300, 4.0, 3.0, 4.0)]
    figure = curves.figure("FID", {"A2B": curve})
    line = places(elements(figure, "polyline")[0])
    assert [x for x, _ in line] == pytest.approx([58, 233, 408], abs=0.1)
    labels = {text.text: float(text.get("y")) - 4 for text in elements(figure, "text")}
    assert [y for _, y in line] == pytest.approx([labels["0"], labels["2"], labels["4"]], abs=0.1)
    band = places(elements(figure, "polygon")[0])
    assert band[0][1] == pytest.approx((labels["0"] + labels["2"]) / 2, abs=0.1)
    assert len(band) == 6
    assert {"100", "300", "step"} <= labels.keys()


def test_names_are_shown_as_text():
    figure = curves.figure("<b>", {"a & <b>": [Point(1, 1, 0, 2)]})
    assert "<b>" not in figure
    assert elements(figure, "li")[0][0].tail == "a & <b>"
    assert elements(figure, "svg")[0].get("aria-label") == "<b> over steps. a & <b>: 1 at step 1"


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
    figure = curves.figure("x", {"A2B": curve})
    for circle in elements(figure, "circle"):
        assert 58 <= float(circle.get("cx")) <= 408
        assert 12 <= float(circle.get("cy")) <= 206
    assert not re.search(r"nan|inf", figure)


def test_a_second_run_is_dashed():
    figure = curves.figure("x", {name: [Point(1, number, 0, 1)] for number, name in enumerate("abcd")})
    assert [line.get("stroke-dasharray") for line in elements(figure, "polyline")] == [None, None, "5 4", "5 4"]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 4, [0, 1, 2, 3, 4]), (0.13, 0.19, [0.12, 0.14, 0.16, 0.18, 0.2]), (3, 3, [1.5, 2, 2.5, 3, 3.5, 4, 4.5])],
)
def test_ticks_are_round(low, high, ticks):
    found = curves._ticks(low, high)
    assert found[0] <= low <= high <= found[-1]
    if low != high:
        assert found == ticks
