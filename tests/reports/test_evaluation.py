"""The page of scores, read as HTML, and opened in a browser."""

import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from ugatit_tf.data import images
from ugatit_tf.reports import evaluation, scores
from ugatit_tf.reports.scores import Entry, Estimate, Scored

Page = runpy.run_path(str(Path(__file__).with_name("test_gallery.py")))["Page"]
NAMES = ("plain.png", "100% #1 'x' <b>.png")


def make_run(folder, steps, level=0):
    """A run's results: scores, and single-coloured pictures whose red is the step."""
    for step in steps:
        found = {"l1": Estimate(1 / step, 0.5 / step, 2 / step), "KID": Estimate(step, 0, 999, 1.0)}
        directions = {name: Scored(100, 90, 0, found) for name in ("A2B", "B2A")}
        scores.append(folder, Entry(f"model-{step}", step, "demo", 8, {}, directions))
        for place in ("inputs", f"outputs/{step}"):
            for direction in ("A2B", "B2A"):
                (folder / "evaluation" / place / direction).mkdir(parents=True, exist_ok=True)
                for name in NAMES:
                    picture = np.full((8, 8, 3), (step, level, 0), np.uint8)
                    images.save_png(folder / "evaluation" / place / direction / name, picture)
    return folder


@pytest.fixture
def results(tmp_path):
    return make_run(tmp_path / "results" / "mine", (10, 20, 30))


def test_scores_that_do_not_compare_with_the_latest_are_not_in_its_curve(tmp_path):
    def note(step, value, output="pool_3", dataset="demo", file="a.pb"):
        facts = {"file": file, "sha256": "0" * 64, "output": output, "resize": "clean"}
        found = {"KID": Estimate(value, value, value), "l1": Estimate(value, value, value)}
        scores.append(tmp_path, Entry(f"model-{step}", step, dataset, 8, facts, {"A2B": Scored(9, 9, 0, found)}))

    note(10, 1.0, output="mixed")
    note(20, 2.0, file="elsewhere.pb")
    note(20, 3.0, output="mixed", dataset="other")
    note(30, 4.0)
    found = [
        (entry.step, entry.directions["A2B"].scores) for entry in evaluation._read("it", tmp_path, tmp_path, "").entries
    ]
    values = [(step, {name: score.value for name, score in each.items()}) for step, each in found]
    assert values == [(10, {"l1": 1.0}), (20, {"KID": 2.0, "l1": 2.0}), (30, {"KID": 4.0, "l1": 4.0})]


def test_the_page_shows_scores_and_pictures(results):
    again = {"A2B": Scored(9, 9, 0, {"l1": Estimate(0.5, 0.4, 0.6)})}
    scores.append(results, Entry("model-20", 20, "demo", 8, {}, again))
    page = Page(evaluation.write(results, "Scores"))
    assert page.texts("h2") == ["Scores", "Checkpoints"]
    assert page.texts("b") == ["KID x 100", "paired L1"]
    assert "A2B, step 30" in page.texts("th")
    assert "0.03333 [0.01667, 0.06667]" in page.texts("td")
    titles = page.texts("title")
    assert "A2B, step 20: 0.5" in titles  # the latest of that step
    assert {"A2B, step 20: 20", "B2A, step 20: 20", "B2A, step 20: 0.05"} <= set(titles)  # what it did not have anew
    (slider,) = page.attributes("input")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "2", "2")
    assert json.loads(slider["data-names"]) == ["step 10", "step 20", "step 30"]
    outputs = [image for image in page.attributes("img") if "data-sources" in image]
    assert len(outputs) == 4
    for image in outputs:
        assert [source.split("/")[2] for source in json.loads(image["data-sources"])] == ["10", "20", "30"]
        assert image["src"] == json.loads(image["data-sources"])[-1]


def test_an_output_that_is_missing_is_not_shown(results):
    (results / "evaluation" / "outputs" / "30" / "A2B" / NAMES[0]).unlink()
    page = Page(evaluation.write(results, "Scores"))
    sources = [json.loads(image["data-sources"]) for image in page.attributes("img") if "data-sources" in image]
    assert [source[-1] == "" for source in sources].count(True) == 1
    assert [image.get("class") for image in page.attributes("img")].count("missing") == 1


def test_without_anything_it_says_so(tmp_path):
    page = Page(evaluation.write(tmp_path, "Scores"))
    assert "No checkpoint has been scored yet." in page.texts("p")


def test_details_are_shown_as_they_were_found(results):
    pictures = {"input": "A2B/1_input.png", "output": "A2B/1_output.png"}
    item = {"name": "<b>1", "value": 0.1234, "pictures": pictures}
    found = {"by": "paired L1", "best": [item], "worst": [item], "neighbours": [item], "median": 0.2, "usual": 0.3}
    folder = results / "evaluation" / "details"
    folder.mkdir()
    (folder / "details.json").write_text(json.dumps({"checkpoint": "model-30", "directions": {"A2B": found}}))
    page = Page(evaluation.write(results, "Scores"))
    assert page.texts("h2")[2:] == [
        "A → B: the best 1",
        "A → B: the worst 1",
        "A → B: nearest training images, the closest first",
    ]
    assert page.texts("p").count("0.123") == 3
    assert "evaluation/details/A2B/1_output.png" in [image["src"] for image in page.attributes("img")]
    (folder / "details.json").write_text("{")
    assert len(Page(evaluation.write(results, "Scores")).texts("h2")) == 2


def test_another_run_is_copied_beside_this_one(results, tmp_path):
    other = make_run(tmp_path / "elsewhere" / "other", (40,), level=200)
    evaluation.write(results, "Scores", other)
    shutil.rmtree(other)
    moved = results.rename(tmp_path / "moved")
    page = Page(moved / "evaluation.html")
    assert [slider["id"] for slider in page.attributes("input")] == ["stage-0", "stage-1"]
    assert {"A2B, step 30, this run", "B2A, step 40, other run"} <= set(page.texts("th"))
    assert page.texts("figcaption").count("other run") == 4
    assert [path["class"] for path in page.attributes("path")].count("line") == 2 * 4
    assert page.texts("dd") == ["mine", "other"]
    for image in page.attributes("img"):
        assert (moved / Path(image["src"].replace("%25", "%").split("/")[0])).exists()


def test_the_test_images_page_is_linked_where_there_is_one(results):
    links = lambda: [link["href"] for link in Page(evaluation.write(results, "x")).attributes("a")]  # noqa: E731
    assert "index.html" not in links()
    (results / "index.html").touch()
    assert "index.html" in links()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_the_slider_changes_the_pictures(results, tmp_path, browser, scheme):
    other = make_run(
        tmp_path / "results" / "UGATIT_light_other_lsgan_2resblock_5dis_1_1_20_20_10_sn_smoothing", (40, 50)
    )
    evaluation.write(results, "Scores", other)
    moved = results.rename(tmp_path / "a folder #1 'moved' 100%")
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(request.url))
    page.goto((moved / "evaluation.html").as_uri())

    def sources(run):
        page.wait_for_function("[...document.images].every(image => image.complete)")
        assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).length") == 0
        shown = page.evaluate(f"[...document.querySelectorAll('img[data-run=\"{run}\"]')].map(i => i.currentSrc)")
        return {source.split("outputs/")[1].split("/")[0] for source in shown}

    assert page.evaluate("document.documentElement.scrollWidth") == 390  # nothing sticks out
    assert (sources(0), sources(1)) == ({"30"}, {"50"})
    page.focus("#stage-0")
    page.keyboard.press("ArrowLeft")
    assert page.text_content("output[for=stage-0]") == "step 20"
    assert page.get_attribute("#stage-0", "aria-valuetext") == "step 20"
    assert (sources(0), sources(1)) == ({"20"}, {"50"})
    page.keyboard.press("Home")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert (sources(0), sources(1)) == ({"10"}, {"40"})
    linked = "[...document.querySelectorAll('img[data-run=\"0\"]')].every(i => i.parentElement.href == i.src)"
    assert page.evaluate(linked)
    assert troubles == []
