import dataclasses

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data import demo, sources
from ugatit_tf.errors import RunError


def put(folder, name, colour=(255, 0, 0), size=(4, 4)):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


@pytest.fixture
def mine(tiny_config, tmp_path):
    return dataclasses.replace(tiny_config, dataset="mine"), tmp_path / "dataset" / "mine"


def test_folder_lists_images_at_any_depth_and_counts_the_rest(mine):
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


def test_folder_images_are_read_at_the_side_asked_for(mine):
    config, root = mine
    put(root / "testB", "x.png", colour=(10, 20, 30), size=(7, 5))
    (image_set,) = sources.open_splits(config, ("testB",))
    np.testing.assert_array_equal(image_set.read(0, 8), np.full((8, 8, 3), (10, 20, 30), np.uint8))
    grey = sources.open_splits(dataclasses.replace(config, img_ch=1), ("testB",))[0]
    assert grey.read(0, 8).shape == (8, 8, 1)


def test_equal_stems_get_names_of_their_own(mine):
    config, root = mine
    for name in ("1.png", "1.jpg", "x/1.jpg", "x/2.jpg"):
        put(root / "testA", name)
    (image_set,) = sources.open_splits(config, ("testA",))
    assert image_set.names == ("1_jpg", "1_png", "x_1_jpg", "2")


def test_a_name_made_up_does_not_take_anothers(mine):
    config, root = mine
    for name in ("1.jpg", "1.png", "1_jpg.png"):
        put(root / "testA", name)
    (image_set,) = sources.open_splits(config, ("testA",))
    assert len(set(image_set.names)) == 3


def test_missing_folders_are_all_named(mine):
    config, root = mine
    put(root / "trainA", "a.png")
    (root / "testA").mkdir()
    with pytest.raises(RunError) as error:
        sources.open_splits(config, ("trainA", "trainB", "testA"))
    for text in ("trainA (has images)", f"{root / 'trainB'} (no such folder)", "testA (no images)", "--dataset demo"):
        assert text in str(error.value)


def test_what_cannot_be_read_is_left_out_unless_it_is_all(mine):
    config, root = mine
    put(root / "testA", "a.png", colour=(1, 2, 3))
    (root / "testA" / "b.png").write_bytes(b"no image")
    put(root / "testA", "c.png", colour=(4, 5, 6))
    (image_set,) = sources.open_splits(config, ("testA",))
    said = []
    assert sources.read_all(image_set, range(3), 2, said.append)[:, 0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    (line,) = said
    assert line.startswith(f"Skipped: {root / 'testA' / 'b.png'}: ")
    with pytest.raises(RunError, match="testA: none of the images tried can be read"):
        sources.read_all(image_set, [1], 2, said.append)


def test_one_of_the_splits_will_do_where_that_is_asked_for(mine):
    config, root = mine
    put(root / "testA", "a.png")
    assert [len(s) for s in sources.open_splits(config, ("testA", "testB"), one_will_do=True)] == [1, 0]
    with pytest.raises(RunError, match="testB"):
        sources.open_splits(config, ("testB",), one_will_do=True)


def test_demo_needs_no_files(tiny_config):
    sets = sources.open_splits(tiny_config, ("trainA", "trainB", "testA", "testB"))
    assert [len(s) for s in sets] == [400, 400, 100, 100]
    np.testing.assert_array_equal(sets[3].read(7, 32), demo.draw("testB", 7, 32))
    assert sources.open_splits(dataclasses.replace(tiny_config, img_ch=4), ("testA",))[0].read(0, 8).shape == (8, 8, 4)


def test_only_the_demo_knows_the_answers():
    assert sources.has_true_answers("demo")
    assert not sources.has_true_answers("selfie2anime")
