import re
from xml.etree import ElementTree

import pytest

from ugatit_tf.reports import sparklines


def drawn(title, steps, curves):
    """The figure, and its paths: by kind and number, stretches of (x, y)."""
    figure = ElementTree.fromstring(sparklines.figure(title, steps, curves))
    paths = {}
    for path in figure.iter("path"):
        number = re.search(r"spark-(\d)", path.get("stroke"))[1]
        stretches = [stretch.split("L") for stretch in path.get("d").split("M")[1:]]
        points = [[tuple(map(int, point.split(","))) for point in stretch] for stretch in stretches]
        paths[path.get("class"), int(number)] = points
    return figure, paths


def test_a_point_lies_where_its_step_and_value_are():
    _, paths = drawn("Loss", (1, 5, 10), {"A": (4.0, 1.0, 0.0), "B": (2.0, 2.0, 3.0)})
    assert paths["raw", 0] == [[(30, 0), (150, 68), (300, 90)]]  # of a box of 300 by 90, from 0 to 4
    assert paths["raw", 1] == [[(30, 45), (150, 45), (300, 22)]]
    assert paths["mean", 0] == paths["raw", 0]  # of so few points, each stands for itself


def test_many_points_are_averaged_with_their_neighbours():
    values = [0.0, 8.0] * 40
    _, paths = drawn("Loss", range(1, 81), {"A": values})
    (mean,) = paths["mean", 0]
    # Two on each side: 0 8 0 8 0 makes 3.2, 8 0 8 0 8 makes 4.8, and 8 0 8 at the end 5.33, the highest.
    assert {y for _, y in mean[2:-2]} == {9, 36}
    assert mean[-1] == (300, 0)
    assert {y for _, y in paths["raw", 0][0]} == {90, -45}  # above the box, where it is cut off


def test_a_value_that_is_none_tears_the_curve():
    figure, paths = drawn("Loss", (1, 2, 3, 4), {"A": (1.0, None, 2.0, 4.0), "B": (None,) * 4})
    assert [len(stretch) for stretch in paths["raw", 0]] == [1, 2]
    assert paths["raw", 1] == []
    assert [legend.text for legend in figure.find("figcaption").iter("span")] == ["A 4", "B –"]


@pytest.mark.parametrize(
    ("values", "ends"), [((0.0, 0.0), ("0", "0")), ((-2.0, -1.0), ("-2", "0")), ((5.0,), ("0", "5"))]
)
def test_the_ends_of_the_scale_are_told_and_include_0(values, ends):
    figure, _ = drawn("Loss", range(10, 10 + len(values)), {"A": values})
    low, high = ends
    top, bottom = figure.findall("p")
    assert top.text == high
    assert [span.text for span in bottom] == [low, f"step {9 + len(values)}"]


def test_texts_arrive_as_text():
    figure, _ = drawn('<b> & "c"', (1, 2000), {"A <i>": (0.25, 0.5)})
    assert figure.find("figcaption/b").text == '<b> & "c"'
    assert figure.find("figcaption/span").text == "A <i> 0.5"
    label = figure.find("svg").get("aria-label")
    assert label == '<b> & "c" over steps 1 to 2,000, between 0 and 0.5; now A <i> 0.5'
