"""The command as a user gives it, on real files."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
from drawn_faces import Detector, face_at
from ugatit_tf.data import crops, demo, images
from ugatit_tf.data.preparation.survey import Surveyor

ROOT = Path(main.__file__).parent
SMALL = ("--size", 24, "--min_size", 20, "--test_share", 0.25)


def prepare(*flags, dataset="mine"):
    arguments = ("--phase", "prepare", "--input_A", "photos", "--input_B", "drawings", "--dataset", dataset)
    return main.main(["main.py", *map(str, (*arguments, *SMALL, *flags))])


def tree(root):
    """Files and their content; the page, which has the dataset's name in it, without."""
    files = (path for path in Path(root).rglob("*") if path.is_file() and path.name != "report.html")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def splits(dataset="mine"):
    """The stems of the files in each split, without their keys."""
    root = Path("dataset") / dataset
    names = ("trainA", "testA", "trainB", "testB")
    return {name: sorted(path.stem.rpartition("-")[0] for path in (root / name).iterdir()) for name in names}


def report(dataset="mine"):
    return json.loads((Path("dataset") / dataset / "report.json").read_text())


def draw(path, split, number, size=(40, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(demo.draw(split, number, 40)).crop((0, 0, *size)).save(path)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Two piles of pictures: ten photos in subfolders, six drawings."""
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        draw(tmp_path / "photos" / f"{number % 2}" / f"{number}.png", "trainA", number)
    for number in range(6):
        draw(tmp_path / "drawings" / f"{number}.png", "trainB", number)
    return tmp_path


def test_two_piles_become_a_dataset(here, capsys):
    assert prepare() == 0
    output = capsys.readouterr().out
    found = splits()
    assert sorted(found["trainA"] + found["testA"]) == [str(number) for number in range(10)]
    assert sorted(found["trainB"] + found["testB"]) == [str(number) for number in range(6)]
    assert found["testA"]
    assert found["testB"]
    assert f"A: 10 pictures found, {len(found['trainA'])} to train on, {len(found['testA'])} to test on" in output
    assert "Train on it with --dataset mine" in output
    for path in (here / "dataset" / "mine").glob("train?/*"):
        pile = "photos/" + str(int(path.name[0]) % 2) if path.parent.name == "trainA" else "drawings"
        source = images.decode(here / pile / f"{path.name[0]}.png")
        np.testing.assert_array_equal(images.decode(path), crops.cut(source, crops.Region(20, 15, 30, 30), 24))


def test_the_originals_are_not_touched(here):
    before = tree("photos"), tree("drawings")
    for folder in ("photos", "drawings"):
        for path in sorted((here / folder).rglob("*"), reverse=True):
            path.chmod(0o555 if path.is_dir() else 0o444)
    stamps = [path.stat().st_mtime_ns for path in sorted((here / "photos").rglob("*"))]
    assert prepare() == 0
    assert before == (tree("photos"), tree("drawings"))
    assert stamps == [path.stat().st_mtime_ns for path in sorted((here / "photos").rglob("*"))]


def test_what_cannot_be_used_is_listed_with_its_reason(here, capsys):
    shutil.copy("photos/0/2.png", "photos/zz copy.png")
    Image.open("photos/0/4.png").resize((36, 27)).save("photos/small copy.jpg", quality=90)
    (here / "photos" / "text.jpg").write_text("no picture")
    draw(here / "photos" / "tiny.png", "testA", 0, size=(19, 30))
    (here / "photos" / "telephone.heic").write_bytes(b"x")
    assert prepare() == 0
    assert "4 dropped (1 unreadable, 1 too small, 1 near duplicate, 1 duplicate)" in capsys.readouterr().out
    domain = report()["domains"]["A"]
    assert (domain["found"], domain["other_files"]) == (14, 1)
    listed = {entry["path"]: entry for entry in report()["pictures"]["A"]}
    assert len(listed) == 14
    assert listed["photos/zz copy.png"]["dropped"] == "duplicate"
    assert listed["photos/zz copy.png"]["instead"] == "photos/0/2.png"
    assert listed["photos/small copy.jpg"]["dropped"] == "near duplicate"
    assert listed["photos/small copy.jpg"]["instead"] == "photos/0/4.png"
    assert listed["photos/text.jpg"]["dropped"] == "unreadable"
    assert listed["photos/tiny.png"]["detail"] == "19 x 30 pixels"
    assert sum("file" in entry for entry in listed.values()) == 10


def test_a_second_run_does_nothing_again(here, monkeypatch):
    (here / "photos" / "text.jpg").write_text("no picture")
    shutil.copy("photos/0/2.png", "photos/copy.png")
    assert prepare() == 0
    before = tree("dataset")
    stamps = {path: path.stat().st_ino for path in (here / "dataset").rglob("*.png")}
    seen = []
    look = Surveyor.__call__
    monkeypatch.setattr(Surveyor, "__call__", lambda self, path: seen.append(path) or look(self, path))
    assert prepare() == 0
    assert seen == ["photos/text.jpg"]  # which might have been mended
    assert tree("dataset") == before
    assert stamps == {path: path.stat().st_ino for path in (here / "dataset").rglob("*.png")}


@pytest.mark.parametrize("reads", [0, 3, 12])
@pytest.mark.parametrize("earlier", ["", "--size 30"])
def test_an_interrupted_run_leaves_no_trace(here, monkeypatch, earlier, reads):
    assert prepare(dataset="whole") == 0
    if earlier:
        assert prepare(*earlier.split()) == 0
        before = {name: content for name, content in tree("dataset/mine").items() if name[0] != "."}
    files = [str(path) for folder in ("photos", "drawings") for path in sorted(Path(folder).rglob("*.png"))]
    look, seen = Surveyor.__call__, []

    def interrupted(self, path):
        if path in files[reads:]:
            raise KeyboardInterrupt
        return look(self, path)

    with monkeypatch.context() as patched:
        patched.setattr(Surveyor, "__call__", interrupted)
        assert prepare() == 130
    if earlier:  # until all is ready, the dataset is what it was
        assert before == {name: content for name, content in tree("dataset/mine").items() if name[0] != "."}
    monkeypatch.setattr(Surveyor, "__call__", lambda self, path: seen.append(path) or look(self, path))
    assert prepare() == 0
    assert sorted(seen) == sorted(files[reads:])
    assert tree("dataset/mine") == tree("dataset/whole")


def test_other_flags_make_all_of_it_anew(here):
    assert prepare(dataset="whole") == 0
    assert prepare("--crop", "none", "--size", 32, "--image_format", "jpeg", "--seed", 5) == 0
    files = list((here / "dataset" / "mine").glob("*[AB]/*"))
    assert {Image.open(path).size for path in files} == {(32, 32)}
    assert {path.suffix for path in files} == {".jpg"}
    assert prepare() == 0
    assert tree("dataset/mine") == tree("dataset/whole")


def test_another_seed_moves_pictures_and_makes_none(here, monkeypatch):
    assert prepare() == 0
    before = splits()
    monkeypatch.setattr(Surveyor, "__call__", None)
    assert prepare("--seed", 1) == 0
    after = splits()
    assert after != before
    assert sorted(after["trainA"] + after["testA"]) == sorted(before["trainA"] + before["testA"])


def test_more_pictures_take_none_from_training_to_testing(here):
    assert prepare() == 0
    before = splits()
    for number in range(20, 40):
        draw(here / "photos" / f"{number}.png", "trainA", number)
    (here / "photos" / "1" / "9.png").unlink()
    assert prepare() == 0
    after = splits()
    assert len(after["trainA"] + after["testA"]) == 29
    assert not set(after["testA"]) & set(before["trainA"])
    assert set(after["trainB"] + after["testB"]) == set(before["trainB"] + before["testB"])


def test_a_picture_taken_away_comes_back_while_its_source_is_there(here):
    assert prepare() == 0
    before = tree("dataset")
    next((here / "dataset" / "mine" / "trainA").iterdir()).unlink()
    assert prepare() == 0
    assert tree("dataset") == before


def test_pictures_of_both_domains_are_told(here, capsys):
    shutil.copy("photos/0/2.png", "drawings/same.png")
    assert prepare() == 0
    line = "A and B share 1 of the pictures, such as photos/0/2.png and drawings/same.png."
    assert f"Note: {line}\n" in capsys.readouterr().out
    assert line in report()["warnings"]
    assert report()["in_both"] == [["photos/0/2.png", "drawings/same.png"]]


def test_names_are_safe_and_unique(here):
    shutil.rmtree("photos")
    names = ("a/x.png", "b/x.png", "셀카 <b>'\"&.png", "--.png", "-rf.png", "ö" * 120 + ".png", "two\nlines.png")
    for number, name in enumerate(names):
        draw(here / "photos" / name, "trainA", number)
    assert prepare() == 0
    found = splits()
    expected = ["x", "x", "셀카_b_", "picture", "rf", "ö" * 40, "two_lines"]
    assert sorted(found["trainA"] + found["testA"]) == sorted(expected)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_folder_of_awkward_files(here, corpus, capsys):
    folder, cases = corpus
    shutil.rmtree("photos")
    (here / "photos").symlink_to(folder)
    assert prepare("--min_size", 1, "--size", 8) == 0
    entries = {entry["path"]: entry for entry in report()["pictures"]["A"]}
    assert len(entries) == len(cases)
    for case in cases:
        unreadable = entries[f"photos/{case.name}"].get("dropped") == "unreadable"
        assert unreadable == (case.quarters is None), case.name


def test_without_any_good_picture_there_is_a_report_and_an_error(here, capsys):
    for path in (here / "drawings").iterdir():
        path.write_text("no picture")
    assert prepare() == 1
    assert "None of the 6 pictures of B can be used: see the report." in capsys.readouterr().err
    assert report()["domains"]["B"]["dropped"] == {"unreadable": 6}
    assert (here / "dataset" / "mine" / "report.html").exists()


def test_one_domain_may_be_cropped_around_faces(here, monkeypatch):
    face = face_at(20, 14.4, 4)
    detector = Detector(lambda picture: [face] if picture.shape[0] == 30 else [])
    monkeypatch.setattr(crops.faces, "detector", lambda _: detector)
    assert prepare("--crop_A", "face", "--face_margin", 0.5) == 0
    entry = next(entry for entry in report()["pictures"]["A"])
    assert entry["face"] == {"x": 0.5, "y": pytest.approx(0.57), "size": pytest.approx(0.48)}
    settings = report()["settings"]
    assert (settings["crop_A"], settings["crop_B"], settings["face_margin"]) == ("face", "center", 0.5)
    assert "face" not in report()["pictures"]["B"][0]  # looked for, not found


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ("photos", "photos", "overlap. Give separate folders"),
        ("photos", "photos/1", "overlap. Give separate folders"),
        ("photos/1", "photos", "overlap. Give separate folders"),
        ("photos", "link", "overlap. Give separate folders"),
        ("photos", ".", "overlaps with dataset/mine/trainA"),
        ("photos", "dataset/mine/testB", "overlaps with dataset/mine/testB"),
        ("photos", "nowhere", "--input_B nowhere: no such folder."),
        ("photos", "photos/0/0.png", "no such folder."),
    ],
)
def test_folders_that_make_no_sense_are_refused(here, capsys, a, b, message):
    (here / "link").symlink_to("photos/1")
    (here / "dataset" / "mine" / "testB").mkdir(parents=True)
    assert main.main(["main.py", "--phase", "prepare", "--input_A", a, "--input_B", b, "--dataset", "mine"]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert list((here / "dataset" / "mine").rglob("*")) == [here / "dataset" / "mine" / "testB"]


def test_originals_may_lie_in_the_datasets_folder(here):
    shutil.move("photos", "dataset/mine/photos")
    (here / "photos").symlink_to("dataset/mine/photos")
    assert prepare() == 0
    assert prepare() == 0
    assert len(splits()["trainA"] + splits()["testA"]) == 10


def test_what_others_put_there_stays_and_is_told(here, capsys):
    draw(here / "dataset" / "mine" / "trainB" / "mine.png", "trainB", 0)
    before = tree("dataset")
    assert prepare() == 1
    assert "trainB holds 1 pictures that --phase prepare did not make" in capsys.readouterr().err
    assert tree("dataset") == before


def test_a_full_disk_loses_nothing(here, full_disk, capsys):
    assert prepare() == 0
    before = tree("dataset")
    draw(here / "photos" / "more.png", "trainA", 50)
    with full_disk(after=100):
        assert prepare("--size", 26) == 1
    assert "File too large" in capsys.readouterr().err
    assert {name: content for name, content in tree("dataset").items() if "/making/" not in name} == before
    assert prepare() == 0


def test_a_folder_without_pictures_is_told(here, capsys):
    (here / "empty").mkdir()
    assert main.main(["main.py", "--phase", "prepare", "--input_A", "photos", "--input_B", "empty"]) == 1
    assert "--input_B empty has no JPEG" in capsys.readouterr().err
    assert not (here / "dataset").exists()


def test_no_tensorflow_is_needed(here):
    arguments = ["main.py", "--phase", "prepare", "--input_A", "photos", "--input_B", "drawings", "--dataset", "mine"]
    program = f"import sys, main; assert main.main({arguments!r}) == 1; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("False\n")  # at the default --min_size, none can be used
