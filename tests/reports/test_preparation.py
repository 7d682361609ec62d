import dataclasses
import json
import re
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data.preparation.build import Domain, Dropped, Kept
from ugatit_tf.data.preparation.survey import Picture
from ugatit_tf.reports import preparation

SETTINGS = {"size": 8, "test_share": 0.05, "input_A": "<i>photos</i>", "crop_A": "center"}
HOSTILE = "<script>alert(1)<b> & \"quotes\" 'n' 100%\n#1 셀카 \udce9.png"


def squares(root, split, levels):
    """Pictures kept, each of one grey."""
    (root / split).mkdir(parents=True, exist_ok=True)
    kept = []
    for number, level in enumerate(levels):
        Image.new("RGB", (8, 8), (level,) * 3).save(root / split / f"{number}.png")
        picture = Picture(f"photos/{number}.png", width=30, height=20, side=20, colour=(float(level),) * 3)
        kept.append(Kept(picture, f"{split}/{number}.png"))
    return tuple(kept)


@pytest.fixture
def root(tmp_path):
    """A dataset's folder with a report, whose names are anything but harmless."""
    root = tmp_path / "mine"
    source = tmp_path / HOSTILE
    Image.new("RGB", (300, 100), "red").save(source)
    hostile = Picture(str(source), width=300, height=100)
    kept = squares(root, "trainA", [0, 100, 200]) + squares(root, "testA", [40])
    dropped = (
        Dropped(hostile, "near duplicate", "of <b>", str(source)),
        Dropped(Picture("gone.png", width=9, height=9), "too small", "9 x 9 pixels"),
        Dropped(Picture("bad.png"), "unreadable", "cannot <b>"),
    )
    domains = {"A": Domain("photos", 3, kept, dropped), "B": Domain("drawings", 0, squares(root, "trainB", [70]), ())}
    warnings = preparation.write(root, SETTINGS, domains, [(hostile, hostile)])
    assert warnings == json.loads((root / "report.json").read_text())["warnings"]
    assert len(warnings) == 4
    return root


def test_the_numbers_are_for_programs(root):
    report = json.loads((root / "report.json").read_text())
    assert report["settings"] == SETTINGS
    a = report["domains"]["A"]
    assert (a["found"], a["train"], a["test"], a["other_files"]) == (7, 3, 1, 3)
    assert a["dropped"] == {"near duplicate": 1, "too small": 1, "unreadable": 1}
    assert a["brightness"][0] == 85
    assert [entry.get("file", entry.get("dropped")) for entry in report["pictures"]["A"]] == [
        "trainA/0.png",
        "trainA/1.png",
        "trainA/2.png",
        "testA/0.png",
        "near duplicate",
        "too small",
        "unreadable",
    ]
    assert report["pictures"]["A"][6] == {"path": "bad.png", "dropped": "unreadable", "detail": "cannot <b>"}


def test_a_domain_without_test_pictures_is_told(root):
    (line,) = (each for each in json.loads((root / "report.json").read_text())["warnings"] if "for testing" in each)
    assert line == "No picture of B was chosen for testing. Try a larger --test_share, or another --seed."
    domains = {"A": Domain("a", 0, squares(root, "trainA", [0]), ()), "B": Domain("b", 0, (), ())}
    assert not any("for testing" in each for each in preparation.write(root, SETTINGS | {"test_share": 0}, domains, []))


def test_every_picture_of_the_page_is_there_and_nothing_else_is_asked_for(root):
    page = (root / "report.html").read_text()
    shown = [unquote(source) for source in re.findall(r'src="([^"]+)"', page)]
    assert set(shown) == {
        "report/mean_A.jpg",
        "report/mean_B.jpg",
        *(f"trainA/{number}.png" for number in range(3)),
        "testA/0.png",
        "trainB/0.png",
        "report/A0.jpg",
        "report/A0_instead.jpg",
    }
    for path in shown:
        with Image.open(root / path) as image:
            assert max(image.size) <= 180
    assert "http" not in page
    assert {path.name for path in (root / "report").iterdir()} == {
        path.removeprefix("report/") for path in shown if path.startswith("report/")
    }


def test_names_are_but_text(root):
    page = (root / "report.html").read_text()
    assert not re.search(r"<(script|b|i)>", page)
    assert "&lt;script&gt;alert(1)&lt;b&gt; &amp; &#34;quotes&#34;" in page
    assert "&lt;i&gt;photos&lt;/i&gt;" in page


def test_the_mean_of_a_domain(root):
    mean = np.asarray(Image.open(root / "report" / "mean_A.jpg"))
    assert mean.shape == (8, 8, 3)
    assert np.abs(mean.astype(int) - 85).max() <= 1  # (0 + 100 + 200 + 40) / 4


def test_the_mean_of_the_originals_is_beside_it(tmp_path):
    kept = []
    for number, level in enumerate((50, 150)):
        Image.new("RGB", (40, 20), (level,) * 3).save(tmp_path / f"{number}.png")
        picture = Picture(str(tmp_path / f"{number}.png"), width=40, height=20, side=20, colour=(0.0,) * 3)
        kept.append(dataclasses.replace(squares(tmp_path, "trainA", [0])[0], picture=picture))
    domains = {"A": Domain("a", 0, tuple(kept), ()), "B": Domain("b", 0, (), ())}
    preparation.write(tmp_path, SETTINGS, domains, [])
    before = np.asarray(Image.open(tmp_path / "report" / "before_A.jpg"))
    assert before.shape == (180, 180, 3)
    assert np.abs(before.astype(int) - 100).max() <= 1  # JPEG rounds
    assert "before, 2 pictures" in (tmp_path / "report.html").read_text()


def test_places_of_faces_and_pairs_are_shown(tmp_path):
    kept = squares(tmp_path, "trainA", [0, 0])
    faces = [dataclasses.replace(each.picture, face=(0.25, 0.75, 0.5)) for each in kept]
    kept = tuple(dataclasses.replace(each, picture=face) for each, face in zip(kept, faces, strict=True))
    domains = {"A": Domain("a", 0, kept, (), ((faces[0], faces[1]),)), "B": Domain("b", 0, (), ())}
    preparation.write(tmp_path, SETTINGS, domains, [])
    page = (tmp_path / "report.html").read_text()
    assert len(re.findall("<circle", page)) == 2
    assert 'cx="106.5" cy="157.5"' in page  # 58 + 194 / 4, 12 + 194 * 3 / 4
    assert "Alike in A" in page
    assert "may be copies; both are kept" in page
    assert json.loads((tmp_path / "report.json").read_text())["domains"]["A"]["alike"] == [
        ["photos/0.png", "photos/1.png"]
    ]


def test_without_faces_there_is_no_plot(root):
    assert "<circle" not in (root / "report.html").read_text()


def test_of_many_pictures_some_are_shown(tmp_path):
    unreadable = tuple(Dropped(Picture(f"{n}.png"), "unreadable") for n in range(1000))
    rare = Dropped(Picture("rare.png"), "too small")
    kept = squares(tmp_path, "trainA", [0] * 3) * 100
    domains = {"A": Domain("a", 0, kept, (*unreadable, rare)), "B": Domain("b", 0, (), ())}
    preparation.write(tmp_path, SETTINGS, domains, [])
    page = (tmp_path / "report.html").read_text()
    assert "60 of 300 shown." in page
    assert "25 of 1,001 shown." in page
    assert "rare.png" in page
    assert "Dropped from B" not in page
    assert len(json.loads((tmp_path / "report.json").read_text())["pictures"]["A"]) == 1301


def test_a_later_report_replaces_the_earlier(root):
    domains = {"A": Domain("a", 0, squares(root, "trainA", [0]), ()), "B": Domain("b", 0, (), ())}
    preparation.write(root, SETTINGS, domains, [])
    assert [path.name for path in (root / "report").iterdir()] == ["mean_A.jpg"]
    assert "Dropped from" not in (root / "report.html").read_text()
