import collections
import logging

import numpy as np
import psutil
import pytest

from ugatit_tf.data import cache as cache_module
from ugatit_tf.data import images
from ugatit_tf.data.cache import ImageCache, open_caches
from ugatit_tf.data.sources import ImageSet
from ugatit_tf.errors import RunError

PICTURES = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 3), np.uint8)


@pytest.fixture
def reads():
    return []


@pytest.fixture
def image_set(reads):
    def read(index, side):
        reads.append(index)
        if index == 2:
            raise images.UnreadableImageError("two.png: truncated")
        return PICTURES[index]

    return ImageSet("somewhere", ("zero", "one", "two", "three"), read)


@pytest.mark.parametrize("in_memory", [True, False])
def test_decodes_an_image_once(image_set, reads, tmp_path, in_memory):
    cache = ImageCache(image_set, 6, 3, None if in_memory else tmp_path / "cache")
    assert reads == []  # nothing before it is asked for
    for index in (3, 0, 3, 3, 0):
        np.testing.assert_array_equal(cache.read(index), PICTURES[index])
    assert reads == [3, 0]


def test_an_unreadable_image_is_named_once_and_the_next_takes_its_place(image_set, reads, caplog):
    cache = ImageCache(image_set, 6, 3, None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_array_equal(cache.read(2), PICTURES[3])
    assert [record.getMessage() for record in caplog.records] == ["Skipping an image: two.png: truncated"]
    assert reads == [2, 3]


def test_the_file_leaves_nothing_behind(image_set, tmp_path):
    folder = tmp_path / "deep" / "cache"
    cache = ImageCache(image_set, 6, 3, folder)
    assert isinstance(cache._images, np.memmap)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(image_set, tmp_path, monkeypatch):
    Usage = collections.namedtuple("Usage", "free")
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: Usage(free=100))
    with pytest.raises(RunError, match="need 0.0 GB; --cache_dir .* has 0.0 GB free"):
        ImageCache(image_set, 6, 3, tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_of_the_user(image_set, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="--cache_dir"):
        ImageCache(image_set, 6, 3, tmp_path / "file")


@pytest.mark.parametrize(("free", "in_memory"), [(2 * 4 * 108 * 4, True), (2 * 4 * 108 * 4 - 1, False)])
def test_a_quarter_of_the_free_memory_is_the_limit_for_all_sets_together(
    image_set, tmp_path, monkeypatch, free, in_memory
):
    Memory = collections.namedtuple("Memory", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: Memory(available=free))
    caches = open_caches((image_set, image_set), 6, 3, tmp_path)
    assert [isinstance(cache._images, np.memmap) for cache in caches] == [not in_memory] * 2
