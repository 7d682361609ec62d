"""The command on pictures that are copies of each other, and on drawings of one style."""

import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

import main
from ugatit_tf.data import demo
from ugatit_tf.data.preparation import build

REAL = Path(main.__file__).parents[1] / "shared" / "real"


def prepare(*flags):
    arguments = ("--phase", "prepare", "--input_A", "photos", "--input_B", "drawings", "--dataset", "mine", *flags)
    return main.main(["main.py", *map(str, arguments)])


def report():
    return json.loads(Path("dataset/mine/report.json").read_text())


def entries(domain):
    return {Path(entry["path"]).name: entry for entry in report()["pictures"][domain]}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder, split in (("photos", "trainA"), ("drawings", "trainB")):
        (tmp_path / folder).mkdir()
        for number in range(3):
            Image.fromarray(demo.draw(split, number, 72)).save(tmp_path / folder / f"{number}.png")
    return tmp_path


@pytest.fixture
def copied(here):
    """Three more files that show the first photo."""
    picture = Image.open("photos/0.png")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("photos/mirrored.jpg", quality=80)
    picture.resize((50, 50)).save("photos/small.png")
    picture.save("photos/recompressed.jpg", quality=50)


def test_copies_are_dropped(copied):
    assert prepare("--size", 48) == 0
    found = entries("A")
    assert sum("file" in entry for entry in found.values()) == 3
    assert found["small.png"]["dropped"] == "near duplicate"
    assert sum("file" in found[name] for name in ("0.png", "mirrored.jpg", "recompressed.jpg")) == 1
    before = report()
    assert prepare("--size", 48) == 0  # which makes a dropped square once more
    assert report() == before


def test_copies_may_be_kept_in_one_split(copied):
    for seed in range(4):
        assert prepare("--size", 48, "--near_duplicates", "keep", "--test_share", 0.5, "--seed", seed) == 0
        found = entries("A")
        splits = {found[name]["file"][:5] for name in ("0.png", "mirrored.jpg", "recompressed.jpg", "small.png")}
        assert len(splits) == 1


def test_small_squares_are_kept_where_small_ones_are_asked_for(here):
    assert prepare("--size", 72) == 0
    assert report()["settings"]["min_size"] == 72
    assert prepare("--size", 73) == 1
    assert prepare("--size", 200) == 1
    assert report()["settings"]["min_size"] == 128


def test_progress_is_told_where_no_bar_is_shown(here, monkeypatch, capsys):
    assert prepare("--size", 48) == 0
    assert "of 3 pictures" not in capsys.readouterr().out  # it was too fast
    monkeypatch.setattr(build, "_SECONDS_BETWEEN_LINES", 0.0)
    assert prepare("--size", 50) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith("of 3 pictures")] == [
        f"{name}: {n} of 3 pictures" for name in "AB" for n in (1, 2, 3)
    ]


def test_a_tall_strip_takes_no_memory_of_its_whole_square(here, monkeypatch):
    Image.linear_gradient("L").resize((40, 3000)).convert("RGB").save("photos/strip.png")
    made, new = [], Image.new

    def measured(mode, size, color=0):
        made.append(size[0] * size[1])
        return new(mode, size, color)

    monkeypatch.setattr(Image, "new", measured)
    assert prepare("--size", 32, "--crop", "none") == 0
    assert "file" in entries("A")["strip.png"]
    assert max(made) <= 8 * 40 * 3000  # a square of the longer side has 75 times the picture's pixels


@pytest.mark.skipif(not REAL.exists(), reason="the pictures are not on this machine")
@pytest.mark.slow
def test_different_drawings_of_one_style_are_all_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photos").symlink_to(REAL / "photos")
    Path("drawings").symlink_to(REAL / "avatars")
    assert prepare("--size", 72) == 0
    dropped = Counter(entry["dropped"] for entry in entries("B").values() if "dropped" in entry)
    assert dropped == {}
