import dataclasses
import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.errors import RunError
from ugatit_tf.reports import progress
from ugatit_tf.reports.progress import Progress, save_column, stage_name

Page = runpy.run_path(str(Path(__file__).with_name("test_gallery.py")))["Page"]


def shown(**changes):
    """What is shown of a run that has taken two samples."""
    values = {
        "title": "Training <1>",
        "facts": [("Step", "20 of 40"), ("Rate", "2 steps/s, about 0:00:10 left")],
        "warnings": ["Step 7: A & B"],
        "running": True,
        "inputs": {"A2B": "A_1.jpg", "B2A": "B_2.jpg"},
        "stages": [10, 20],
        "steps": [10, 20],
        "plots": {"Cycle": {"A": [0.5, None], "B": [1.0, 2.0]}, "CAM": {"A": [1.0, 1.0], "B": [1.0, 1.0]}},
        "awaited": 30,
    }
    return Progress(**values | changes)


@pytest.fixture
def results(tmp_path):
    """A run's folder of results, with the pictures of steps 10, 20 and 30."""
    results = tmp_path / "results" / "run"
    grid = np.random.default_rng(0).integers(0, 256, (4 * 64, 64, 3), np.uint8)
    names = [stage_name(direction, step) for direction in ("A2B", "B2A") for step in (10, 20, 30)]
    for name in ("A_1.jpg", "B_2.jpg", *names):
        save_column(results, name, grid)
    return results


def test_a_column_a_stage_beside_the_inputs(results):
    progress.write(results, shown())
    page = Page(results / "index.html")
    assert page.texts("h1") == ["Training <1>"]
    assert page.texts("h2") == ["A → B", "B → A", "Losses"]
    assert page.texts("dd") == ["20 of 40", "2 steps/s, about 0:00:10 left"]
    assert page.texts("li")[0] == "Step 7: A & B"
    # The newest first: the style sheet turns the row around, so that this is where it is scrolled to.
    assert page.texts("figcaption")[:6] == ["step 20", "step 10", "input"] * 2
    assert [picture["src"] for picture in page.attributes("img")] == [
        f"training/{name}" for name in ("A2B_20.jpg", "A2B_10.jpg", "A_1.jpg", "B2A_20.jpg", "B2A_10.jpg", "B_2.jpg")
    ]
    assert page.texts("b") == ["Cycle", "CAM"]
    assert all((results / picture["src"]).is_file() for picture in page.attributes("img"))


def test_each_picture_tells_what_it_is_and_each_row_takes_the_focus(results):
    progress.write(results, shown())
    page = Page(results / "index.html")
    assert [picture["alt"] for picture in page.attributes("img")][:3] == [
        "A2B at step 20",
        "A2B at step 10",
        "Inputs of A2B",
    ]
    rows = [each for each in page.attributes("div") if each.get("class") == "columns"]
    assert [(row["role"], row["tabindex"]) for row in rows] == [("region", "0")] * 2
    assert all(row["aria-label"] for row in rows)


def test_before_the_first_sample_it_says_when_that_comes(tmp_path):
    progress.write(tmp_path, shown(inputs={}, stages=[], steps=[], plots={"CAM": {"A": [], "B": []}}, awaited=1000))
    page = Page(tmp_path / "index.html")
    assert page.attributes("img") == []
    assert page.texts("p") == ["The first sample pictures come at step 1,000."] * 2 + ["None yet."]


def test_it_refreshes_while_the_run_goes_on_and_no_longer(results):
    for running in (True, False):
        progress.write(results, shown(running=running))
        source = (results / "index.html").read_text()
        assert ("location.reload()" in source) == running
        assert ('http-equiv="refresh" content="30"' in source) == running


def test_it_needs_nothing_but_its_folder(results):
    progress.write(results, shown())
    source = (results / "index.html").read_text()
    assert "http:" not in source
    assert "https:" not in source
    assert str(results) not in source + (results / "training" / "progress.json").read_text()
    assert all(not path.startswith("/") for path in re.findall(r'(?:src|href)="([^"]+)"', source))


@pytest.mark.parametrize(("side", "channels", "expected"), [(64, 3, 64), (256, 3, 160), (256, 1, 160), (64, 4, 64)])
def test_a_column_is_small(tmp_path, side, channels, expected):
    save_column(tmp_path, "x.jpg", np.full((3 * side, side, channels), 200, np.uint8))
    picture = Image.open(tmp_path / "training" / "x.jpg")
    assert (picture.mode, picture.size) == ("RGB", (expected, 3 * expected))


def test_pictures_that_are_shown_no_more_go_and_nothing_else_does(results):
    (results / "training" / "notes.txt").touch()
    (results / "A2B_30.jpg").touch()
    progress.write(results, shown())
    assert {path.name for path in (results / "training").iterdir()} == {
        *("notes.txt", "progress.json", "A_1.jpg", "B_2.jpg"),
        *("A2B_10.jpg", "A2B_20.jpg", "B2A_10.jpg", "B2A_20.jpg"),
    }
    assert (results / "A2B_30.jpg").exists()


def test_what_was_written_is_read(results):
    progress.write(results, shown())
    assert progress.read(results) == shown()
    progress.write(results, shown(inputs={}, stages=[]))
    assert progress.read(results).inputs == {}


VALUES = dataclasses.asdict(shown())


@pytest.mark.parametrize(
    "values",
    [
        *(3, [], None, {}, VALUES | {"steps": [1]}, VALUES | {"steps": None}, VALUES | {"inputs": {"A2B": "x"}}),
        *(VALUES | {"plots": 3}, VALUES | {"plots": {"x": 3}}, VALUES | {"facts": ["abc"]}, VALUES | {"stages": ["x"]}),
    ],
)
def test_strange_data_is_none(tmp_path, values):
    (tmp_path / "training").mkdir()
    for data in (json.dumps(values).encode(), b"{", b"\xff\xfe"):
        (tmp_path / "training" / "progress.json").write_bytes(data)
        assert progress.read(tmp_path) is None
        progress.write_links(tmp_path)
        assert not (tmp_path / "index.html").exists()


def test_the_gallery_is_linked_once_it_is_there(results):
    def links():
        return [link["href"] for link in Page(results / "index.html").attributes("a")]

    progress.write(results, shown())
    before = (results / "index.html").read_text()
    assert links() == ["#section-1", "#section-2", "#section-3"]
    (results / "gallery.html").touch()
    progress.write_links(results)
    assert links() == ["#section-1", "#section-2", "#section-3", "gallery.html"]
    (results / "gallery.html").unlink()
    progress.write_links(results)
    assert (results / "index.html").read_text() == before


def test_without_a_page_there_is_none_to_link(tmp_path):
    progress.write_links(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_page_as_it_was(results, full_disk):
    progress.write(results, shown())
    before = (results / "index.html").read_text()
    with full_disk(after=100), pytest.raises(RunError, match=r"progress\.json: File too large"):
        progress.write(results, shown(title="New"))
    assert (results / "index.html").read_text() == before
    assert progress.read(results) == shown()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_it_follows_the_run_but_keeps_the_readers_place(results, tmp_path, browser, scheme):
    steps = list(range(10, 100, 10))
    grid = np.full((4 * 64, 64, 3), 200, np.uint8)
    for direction in ("A2B", "B2A"):
        for step in steps:
            save_column(results, stage_name(direction, step), grid)
    moved = results.rename(tmp_path / "a folder #1 'moved' 100%")
    page = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme).new_page()
    troubles = []
    for event in ("pageerror", "requestfailed"):
        page.on(event, lambda trouble: troubles.append(str(trouble)))
    page.clock.install()

    def heading(title, seconds, **changes):
        """Writes the page with a title, lets time pass, and tells the title that the reader sees."""
        progress.write(moved, shown(title=title, stages=steps, **changes))
        page.clock.fast_forward(seconds * 1000)
        page.wait_for_timeout(500)
        return page.inner_text("h1")

    progress.write(moved, shown(title="1", stages=steps))
    page.goto((moved / "index.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == 390  # nothing sticks out
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0
    right = page.evaluate("document.querySelector('.columns').getBoundingClientRect().right")
    newest = page.get_by_alt_text("A2B at step 90").bounding_box()
    assert 0 < newest["x"] < newest["x"] + newest["width"] <= right  # in sight, beside the input
    assert page.get_by_alt_text("Inputs of A2B").bounding_box()["x"] >= 0
    assert heading("2", 20) == "1"
    assert heading("3", 11) == "3"
    page.evaluate("document.querySelector('.columns').scrollLeft = -200")
    assert heading("4", 31) == "3"
    page.evaluate("document.querySelector('.columns').scrollLeft = 0")
    assert heading("5", 31) == "5"
    page.keyboard.press("Tab")
    assert heading("6", 31) == "5"
    page.evaluate("document.activeElement.blur()")
    assert heading("7", 31, running=False) == "7"
    assert heading("8", 31) == "7"
    assert troubles == []
