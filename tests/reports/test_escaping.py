"""Every page shows hostile names as text: of datasets, runs, metrics, checkpoints, directions' captions and files."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from markupsafe import Markup

from ugatit_tf.data import images
from ugatit_tf.data.preparation.build import Domain, Dropped, Kept
from ugatit_tf.data.preparation.survey import Picture
from ugatit_tf.reports import evaluation, gallery, preparation, progress, scores
from ugatit_tf.reports.gallery import Item, Section
from ugatit_tf.reports.scores import Entry, Estimate, Scored

Page = runpy.run_path(str(Path(__file__).with_name("test_gallery.py")))["Page"]
FILE = "\"'><hostile onload=x>&amp;{{ 7 * 7 }}<!--.png"  # as a file name: without a slash
NAME = FILE + "</title></style></script></td>"
PIXELS = np.full((8, 8, 3), 100, np.uint8)


def write_gallery(folder):
    """All texts of a page, each hostile."""
    item = Item(NAME, ((NAME, FILE),), NAME)
    section = Section(NAME, ((NAME, NAME),), (item,), (NAME,), total=2)
    gallery.write(folder / "page.html", NAME, [(NAME, NAME)], [section], [NAME], links=[(NAME, FILE)], refresh=30)
    return folder / "page.html", ("title", "h1", "dt", "dd", "li", "h2", "th", "td", "h3", "figcaption", "p")


def write_progress(folder):
    progress.save_column(folder, FILE, PIXELS)
    shown = progress.Progress(
        NAME, [(NAME, NAME)], [NAME], True, dict.fromkeys(("A2B", "B2A"), FILE), [1], [1], {NAME: {NAME: [1.0]}}, 2
    )
    progress.write(folder, shown)
    return folder / "index.html", ("title", "h1", "dt", "dd", "li", "b", "span")


def write_scores(folder, monkeypatch):
    monkeypatch.setitem(scores.METRICS, "l1", scores.METRICS["l1"]._replace(label=NAME))
    results, other = folder / FILE, folder / "other"
    for each in (results, other):
        scored = Scored(1, 1, 0, {"l1": Estimate(1.0, 0.5, 2.0)})
        scores.append(each, Entry(NAME, 7, NAME, 8, {}, {"A2B": scored, NAME: scored}))
        for place in ("inputs/A2B", "outputs/7/A2B", "details/A2B"):
            (each / "evaluation" / place).mkdir(parents=True)
            images.save_png(each / "evaluation" / place / FILE, PIXELS)
    item = {"name": NAME, "pictures": {NAME: f"A2B/{FILE}"}, "value": 1.0}
    details = {"checkpoint": NAME, "directions": {"A2B": {"by": NAME, "best": [item]}}}
    (results / "evaluation" / "details" / "details.json").write_text(json.dumps(details))
    return evaluation.write(results, NAME, other), ("title", "h1", "b", "td", "h3", "figcaption")


def write_report(folder):
    root = folder / FILE
    (root / "trainA").mkdir(parents=True)
    images.save_png(root / "trainA" / FILE, PIXELS)
    images.save_png(folder / "x.png", PIXELS)
    kept = Kept(Picture(FILE, width=8, height=8, side=8, colour=(1.0, 2.0, 3.0)), f"trainA/{FILE}")
    dropped = Dropped(Picture(FILE), NAME, NAME)
    domains = {"A": Domain(NAME, 0, (kept,), (dropped,)), NAME: Domain(NAME, 0, (), ())}
    preparation.write(root, {"size": 8, "test_share": 0.5, NAME: NAME}, domains, [])
    return root / "report.html", ("dd", "h3", "th")


@pytest.mark.parametrize("write", [write_gallery, write_progress, write_scores, write_report])
def test_a_hostile_name_stays_text(tmp_path, monkeypatch, write):
    path, places = write(tmp_path, monkeypatch) if write is write_scores else write(tmp_path)
    page = Page(path)
    assert "hostile" not in {tag for tag, _, _ in page.elements}
    assert not any("onload" in attributes for _, attributes, _ in page.elements)
    for tag in places:
        assert any(FILE in text for text in page.texts(tag)), tag
    assert all(picture["alt"] for picture in page.attributes("img"))


def test_only_what_a_template_made_counts_as_html(tmp_path):
    sections = [Section("x", (), (), markup=text) for text in ("<i>plain</i>", Markup("<b>made</b>"))]
    gallery.write(tmp_path / "page.html", "x", [], sections)
    page = Page(tmp_path / "page.html")
    assert page.texts("b") == ["made"]
    assert page.texts("i") == []
