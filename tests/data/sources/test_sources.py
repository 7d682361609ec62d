import dataclasses

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data import demo, sources
from ugatit_tf.errors import RunError


def test_missing_folders_are_all_named(mine, put):
    config, root = mine
    put(root / "trainA", "a.png")
    (root / "testA").mkdir()
    with pytest.raises(RunError) as error:
        sources.open_splits(config, ("trainA", "trainB", "testA"))
    for text in ("trainA (has images)", f"{root / 'trainB'} (no such folder)", "testA (no images)", "--dataset demo"):
        assert text in str(error.value)


def test_what_cannot_be_read_is_left_out_unless_it_is_all(mine, put, caplog):
    caplog.set_level("INFO", "ugatit_tf")
    config, root = mine
    put(root / "testA", "a.png", colour=(1, 2, 3))
    (root / "testA" / "b.png").write_bytes(b"no image")
    put(root / "testA", "c.png", colour=(4, 5, 6))
    (image_set,) = sources.open_splits(config, ("testA",))
    assert sources.read_all(image_set, range(3), 2)[:, 0, 0].tolist() == [[1, 2, 3], [4, 5, 6]]
    (line,) = caplog.messages
    assert line.startswith(f"Skipped: {root / 'testA' / 'b.png'}: ")
    for name in "ac":
        (root / "testA" / f"{name}.png").write_bytes(b"no image")
    with pytest.raises(RunError, match="testA: none of the 3 images tried can be read"):
        sources.read_all(image_set, [1], 2)


def test_the_next_images_take_the_place_of_unreadable_ones(mine, put, caplog):
    caplog.set_level("INFO", "ugatit_tf")
    config, root = mine
    for name in "abcd":
        put(root / "testA", f"{name}.png")
        (root / "testA" / f"{name}.png").write_bytes(b"no image")
    for number, name in enumerate("efgh"):
        put(root / "testA", f"{name}.png", colour=(number, 2, 3))
    (image_set,) = sources.open_splits(config, ("testA",))
    for wanted, found in (([0, 1, 2], [0, 1, 2]), ([3, 7], [0, 3]), ([7, 7], [3, 0]), (range(8), [0, 1, 2, 3])):
        caplog.clear()
        assert sources.read_all(image_set, wanted, 2)[:, 0, 0, 0].tolist() == found
        assert len(caplog.messages) <= 4


def test_one_of_the_splits_will_do_where_that_is_asked_for(mine, put):
    config, root = mine
    put(root / "testA", "a.png")
    assert [len(s) for s in sources.open_splits(config, ("testA", "testB"), one_will_do=True)] == [1, 0]
    with pytest.raises(RunError, match="testB"):
        sources.open_splits(config, ("testB",), one_will_do=True)


def test_a_domain_is_cropped_as_the_flags_say(mine):
    config, root = mine
    for split in ("trainA", "testA", "trainB"):
        (root / split).mkdir(parents=True)
        Image.fromarray(np.arange(10, dtype=np.uint8)[np.newaxis].repeat(4, 0)).save(root / split / "x.png")
    sets = sources.open_splits(dataclasses.replace(config, crop_A="center"), ("testA", "trainB", "trainA"))
    middle, squeezed, same = (image_set.read(0, 4)[0, :, 0].tolist() for image_set in sets)
    assert middle == same == [3, 4, 5, 6]
    assert squeezed[0] < 2 and squeezed[-1] > 7
    sets = sources.open_splits(dataclasses.replace(config, dataset="demo", crop="center"), ("testA",))
    np.testing.assert_array_equal(sets[0].read(3, 32), demo.draw("testA", 3, 32))


def test_demo_needs_no_files(tiny_config):
    sets = sources.open_splits(tiny_config, ("trainA", "trainB", "testA", "testB"))
    assert [len(s) for s in sets] == [400, 400, 100, 100]
    np.testing.assert_array_equal(sets[3].read(7, 32), demo.draw("testB", 7, 32))
    assert sources.open_splits(dataclasses.replace(tiny_config, img_ch=4), ("testA",))[0].read(0, 8).shape == (8, 8, 4)


def test_only_the_demo_knows_the_ground_truth():
    assert sources.has_ground_truth("demo")
    assert not sources.has_ground_truth("selfie2anime")
