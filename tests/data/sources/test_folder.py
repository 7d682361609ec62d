import dataclasses
import logging
import os

import numpy as np

from ugatit_tf.data import sources
from ugatit_tf.data.sources import folder


def test_folder_lists_images_at_any_depth_and_counts_the_rest(mine, put):
    config, root = mine
    for name in ("b.png", "a.JPG", "deep/er/c.bmp", "deep/d.webp", "e.tiff", "f.gif"):
        put(root / "trainA", name)
    for name in (".hidden.png", "._a.jpg"):
        put(root / "trainA", name)
    (root / "trainA" / "notes.txt").write_text("no image")
    put(root / "trainA", ".thumbnails/t.png")
    (image_set,) = sources.open_splits(config, ("trainA",))
    assert image_set.names == ("a", "b", "e", "f", "d", "c")
    assert image_set.skipped == 3  # a hidden folder counts for nothing
    assert image_set.place == str(root / "trainA")


def test_folder_images_are_read_at_the_side_asked_for(mine, put):
    config, root = mine
    put(root / "testB", "x.png", colour=(10, 20, 30), size=(7, 5))
    (image_set,) = sources.open_splits(config, ("testB",))
    np.testing.assert_array_equal(image_set.read(0, 8), np.full((8, 8, 3), (10, 20, 30), np.uint8))
    grey = sources.open_splits(dataclasses.replace(config, img_ch=1), ("testB",))[0]
    assert grey.read(0, 8).shape == (8, 8, 1)


def test_equal_stems_get_names_of_their_own(mine, put):
    config, root = mine
    for name in ("1.png", "1.jpg", "x/1.jpg", "x/2.jpg"):
        put(root / "testA", name)
    (image_set,) = sources.open_splits(config, ("testA",))
    assert image_set.names == ("1_jpg", "1_png", "x_1_jpg", "2")


def test_a_name_made_up_does_not_take_anothers(mine, put):
    config, root = mine
    for name in ("1.jpg", "1.png", "1_jpg.png"):
        put(root / "testA", name)
    (image_set,) = sources.open_splits(config, ("testA",))
    assert len(set(image_set.names)) == 3


def test_links_to_folders_are_followed_but_never_in_circles(mine, tmp_path, caplog, put):
    _, root = mine
    put(root / "trainA", "inside/a.png")
    put(root / "trainB", "drawing.png")
    put(tmp_path, "elsewhere/b.png")
    for name, target in {
        "linked": tmp_path / "elsewhere",
        "up": root,
        "self": root / "trainA",
        "inside/again": tmp_path / "elsewhere",
    }.items():
        (root / "trainA" / name).symlink_to(target)
    with caplog.at_level(logging.WARNING):
        paths, skipped = folder.list_images(root / "trainA")
    assert (sorted(paths), skipped) == (["inside/a.png", "linked/b.png"], [])
    assert [record.args[0].rpartition("/")[2] for record in caplog.records] == ["self", "up", "again"]


def test_a_split_may_be_a_link(mine, tmp_path, put):
    config, root = mine
    put(tmp_path, "photos/a.png")
    root.mkdir(parents=True)
    (root / "trainA").symlink_to(tmp_path / "photos")
    assert sources.open_splits(config, ("trainA",))[0].names == ("a",)


def test_a_folder_that_may_not_be_listed_is_named(mine, monkeypatch, caplog, put):
    _, root = mine
    put(root / "trainA", "a.png")
    put(root / "trainA", "private/b.png")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("private"):  # the tests may run as root, whom nothing is refused
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with caplog.at_level(logging.WARNING):
        assert folder.list_images(root / "trainA") == (["a.png"], [])
    (record,) = caplog.records
    assert record.getMessage() == f"Skipping a folder: {root / 'trainA' / 'private'}: Permission denied"


def test_what_is_no_folder_has_no_images(tmp_path, caplog):
    (tmp_path / "file").write_text("x")
    assert folder.list_images(tmp_path / "file") == ([], [])
    assert "Not a directory" in caplog.text
    caplog.clear()
    assert folder.list_images(tmp_path / "none") == ([], [])
    assert not caplog.records  # the caller tells
