import dataclasses
import json
import os
from pathlib import Path

import pytest

from ugatit_tf.config import Config
from ugatit_tf.data.preparation import prepared
from ugatit_tf.data.preparation.prepared import PreparedFolder
from ugatit_tf.data.preparation.survey import Picture, Recipe
from ugatit_tf.errors import RunError

RECIPE = Recipe("A", "center", 0.5, "skip", 16, 8, 3, "png", measure_faces=False)


def opened(root):
    folder = PreparedFolder(root)
    folder.make_folders()
    return folder


def tree(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def square(folder, key, content=b"square"):
    (folder.making / f"{key}.png").write_bytes(content)


def test_what_was_found_out_is_known_until_the_file_or_the_recipe_changes(tmp_path):
    source = tmp_path / "x.png"
    source.write_bytes(b"1")
    found = Picture(str(source), key="k", width=3, colour=(1.0, 2.0, 3.0))
    folder = opened(tmp_path / "set")
    assert folder.known(str(source), RECIPE) is None
    folder.remember(found, RECIPE)
    folder.save()
    again = PreparedFolder(tmp_path / "set")
    assert again.known(str(source), RECIPE) == found
    assert again.known(str(source), dataclasses.replace(RECIPE, size=17)) is None
    os.utime(source, ns=(1, 1))
    assert again.known(str(source), RECIPE) is None
    source.unlink()
    assert again.known(str(source), RECIPE) is None


def test_it_is_saved_now_and_then(tmp_path, monkeypatch):
    source = tmp_path / "x.png"
    source.write_bytes(b"1")
    folder = opened(tmp_path / "set")
    folder.remember(Picture(str(source)), RECIPE)
    assert PreparedFolder(tmp_path / "set").known(str(source), RECIPE) is None
    monkeypatch.setattr(prepared, "_SECONDS_BETWEEN_SAVES", -1)
    folder.remember(Picture(str(source)), RECIPE)
    assert PreparedFolder(tmp_path / "set").known(str(source), RECIPE)


def test_squares_are_placed_moved_and_removed(tmp_path):
    root = tmp_path / "set"
    folder = opened(root)
    for key in ("aa", "bb", "cc"):
        square(folder, key, key.encode())
    folder.place({"trainA/x-aa.png": "aa", "testB/y-b-bb.png": "bb"}, set())
    assert tree(root) == [".prepare/state.json", "testB/y-b-bb.png", "trainA/x-aa.png"]

    folder = opened(root)
    assert folder.squares() == {"aa": root / "trainA/x-aa.png", "bb": root / "testB/y-b-bb.png"}
    square(folder, "dd")
    folder.place({"testA/x-aa.png": "aa", "trainB/z-dd.png": "dd"}, set())
    assert tree(root) == [".prepare/state.json", "testA/x-aa.png", "trainB/z-dd.png"]
    assert (root / "testA/x-aa.png").read_bytes() == b"aa"


def test_a_square_that_somebody_took_away_is_not_there(tmp_path):
    folder = opened(tmp_path)
    square(folder, "aa")
    folder.place({"trainA/x-aa.png": "aa"}, set())
    (tmp_path / "trainA/x-aa.png").unlink()
    assert opened(tmp_path).squares() == {}


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_placing_can_be_cut_off_anywhere(tmp_path, monkeypatch, moves):
    folder = opened(tmp_path)
    square(folder, "aa")
    folder.place({"trainA/old-aa.png": "aa"}, set())
    folder = opened(tmp_path)
    square(folder, "bb")
    square(folder, "cc")
    plan = {"trainA/b-bb.png": "bb", "testA/c-cc.png": "cc", "testB/old-aa.png": "aa"}

    replace, done = Path.replace, []

    def interrupted(self, target):
        if self.parent.name in ("making", "trainA") and len(done) == moves:
            raise KeyboardInterrupt
        done.append(target) if self.parent.name in ("making", "trainA") else None
        return replace(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", interrupted)
        folder.place(plan, set())
    again = opened(tmp_path)  # takes all of them for its own
    assert set(again.squares()) == {"aa", "bb", "cc"}
    again.place(plan, set())
    assert tree(tmp_path) == [".prepare/state.json", *sorted(plan)]


def test_what_is_no_longer_needed_is_forgotten(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).write_bytes(b"1")
    folder = opened(tmp_path / "set")
    for name in ("x", "y"):
        folder.remember(Picture(str(tmp_path / name)), RECIPE)
    folder.place({}, {str(tmp_path / "x")})
    again = PreparedFolder(tmp_path / "set")
    assert again.known(str(tmp_path / "x"), RECIPE)
    assert again.known(str(tmp_path / "y"), RECIPE) is None


def test_pictures_of_others_are_not_touched(tmp_path):
    folder = opened(tmp_path)
    square(folder, "aa")
    folder.place({"trainA/x-aa.png": "aa"}, set())
    (tmp_path / "trainA" / "notes.txt").write_text("mine")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.png").write_text("mine")
    PreparedFolder(tmp_path)
    (tmp_path / "testB" / "deep").mkdir()
    (tmp_path / "testB" / "deep" / "mine-bb.png").write_text("mine")
    with pytest.raises(RunError, match=r"testB holds 1 pictures that .*, such as deep/mine-bb\.png: move them away"):
        PreparedFolder(tmp_path)


def test_nothing_is_made_before_it_is_needed(tmp_path):
    PreparedFolder(tmp_path / "set")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 2, "files": [], "known": {"x": 3}}'])
def test_a_damaged_memory_is_told(tmp_path, text):
    opened(tmp_path).save()
    (tmp_path / ".prepare" / "state.json").write_text(text)
    with pytest.raises(RunError, match=r"state\.json is damaged .*\. Move .* away to begin anew") as error:
        PreparedFolder(tmp_path)
    assert "\n" not in str(error.value)


def test_of_another_version_the_files_are_known_and_the_rest_is_not(tmp_path):
    folder = opened(tmp_path)
    square(folder, "aa")
    folder.place({"trainA/x-aa.png": "aa"}, set())
    state = json.loads((tmp_path / ".prepare" / "state.json").read_text())
    (tmp_path / ".prepare" / "state.json").write_text(json.dumps(state | {"version": 1, "known": "another way"}))
    assert set(opened(tmp_path).squares()) == {"aa"}


@pytest.mark.parametrize(("text", "expected"), [('{"settings": {"size": 5}}', {"size": 5}), ("[]", None), ("{", None)])
def test_the_settings_of_a_dataset(tmp_path, text, expected):
    config = Config(dataset_dir=str(tmp_path), dataset="mine")
    assert prepared.settings(config) is None
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.json").write_text(text)
    assert prepared.settings(config) == expected
