import collections
import logging
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ugatit_tf.data import cache as cache_module
from ugatit_tf.data import images
from ugatit_tf.data.cache import ImageCache, open_caches
from ugatit_tf.data.sources import ImageSet
from ugatit_tf.errors import RunError
from ugatit_tf.system import share

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
    cache = ImageCache(image_set, 6, 3, None if in_memory else tmp_path)
    assert reads == []  # nothing before it is asked for
    for index in (3, 0, 3, 3, 0):
        np.testing.assert_array_equal(cache.read(index), PICTURES[index])
    assert reads == [3, 0]


def test_an_unreadable_image_is_named_once_and_the_next_takes_its_place(image_set, reads, caplog):
    cache = ImageCache(image_set, 6, 3, None)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            np.testing.assert_array_equal(cache.read(2), PICTURES[3])
    assert [record.getMessage() for record in caplog.records] == [
        "Skipping an image, 1 of 4 so far: two.png: truncated"
    ]
    assert reads == [2, 3]


class Shelf:
    """Pictures that may be taken away."""

    def __init__(self, count):
        self.gone, self.images = set(), ImageSet("shelf", tuple(map(str, range(count))), self.read)

    def read(self, index, side):
        if index in self.gone:
            raise images.UnreadableImageError(f"{index}.png: No such file or directory")
        return np.full((side, side, 3), index % 256, np.uint8)


def test_a_picture_that_is_kept_may_vanish(caplog):
    shelf = Shelf(3)
    cache = ImageCache(shelf.images, 6, 3, None)
    cache.read(1)
    shelf.gone = {0, 1}
    assert [cache.read(index)[0, 0, 0] for index in range(3)] == [1, 1, 2]
    assert len(caplog.records) == 1


@pytest.mark.parametrize(("count", "allowed"), [(5, 3), (60, 3), (79, 3), (80, 4), (1000, 50)])
def test_too_many_unreadable_images_stop_the_run(count, allowed):
    shelf = Shelf(count)
    cache = ImageCache(shelf.images, 6, 3, None)
    shelf.gone = set(range(allowed))
    for index in range(count):
        cache.read(index)
    assert cache.failure is None

    cache = ImageCache(shelf.images, 6, 3, None)
    shelf.gone.add(count - 1)
    for index in range(count - 1):
        cache.read(index)
    with pytest.raises(RunError) as caught:
        cache.read(count - 1)
    assert cache.failure is caught.value
    assert str(caught.value) == (
        f"{allowed + 1} of the {count} images in shelf cannot be read, which is more than 5%: "
        "0.png: No such file or directory; 1.png: No such file or directory; 2.png: No such file or directory; ..."
    )


def test_none_of_a_few_images_can_be_read():
    shelf = Shelf(3)
    shelf.gone = {0, 1, 2}
    cache = ImageCache(shelf.images, 6, 3, None)
    with pytest.raises(RunError, match="None of the 3 images in shelf can be read"):
        cache.read(1)
    assert cache.failure


def test_many_threads_name_a_picture_once(caplog):
    barrier = threading.Barrier(8)

    def read(index, side):
        if index == 0:
            barrier.wait()
            raise images.UnreadableImageError("0.png: truncated")
        return PICTURES[index]

    cache = ImageCache(ImageSet("somewhere", ("0", "1"), read), 6, 3, None)
    with ThreadPoolExecutor(8) as pool:
        for image in pool.map(cache.read, [0] * 8):
            np.testing.assert_array_equal(image, PICTURES[1])
    assert len(caplog.records) == 1


def test_the_file_leaves_nothing_behind(image_set, tmp_path):
    folder = tmp_path / "deep" / "cache"
    (cache,) = open_caches_on_disk((image_set,), folder)
    cache.read(0)
    assert list(folder.iterdir()) == []


def test_a_disk_that_fills_up_costs_time_not_the_run(image_set, reads, tmp_path, full_disk, caplog):
    cache = ImageCache(image_set, 6, 3, tmp_path)
    size = PICTURES[0].nbytes
    with full_disk(after=size + size // 2):  # room for the first, half the room for the second
        for _ in range(2):
            for index in (0, 1, 3):
                np.testing.assert_array_equal(cache.read(index), PICTURES[index])
    assert reads == [0, 1, 3, 1, 3]
    (record,) = caplog.records
    assert "Cannot keep decoded images" in record.getMessage()


def open_caches_on_disk(image_sets, folder):
    """Caches in files, whatever memory there is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share, "available_memory", lambda: 0)
        return open_caches(image_sets, 6, 3, folder)


def test_a_full_disk_is_told_before_anything_is_written(image_set, tmp_path, monkeypatch):
    Usage = collections.namedtuple("Usage", "free")
    monkeypatch.setattr(cache_module.shutil, "disk_usage", lambda _: Usage(free=2 * 4 * 108 - 1))
    with pytest.raises(RunError, match="need 0.0 GB; --cache_dir .* has 0.0 GB free"):
        open_caches_on_disk((image_set, image_set), tmp_path)
    assert len(open_caches_on_disk((image_set,), tmp_path)) == 1


def test_a_folder_that_cannot_be_made_is_an_error_of_the_user(image_set, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="--cache_dir .*file: (File exists|Not a directory)"):
        open_caches_on_disk((image_set,), tmp_path / "file")


@pytest.mark.parametrize(("free", "in_memory"), [(2 * 4 * 108 * 4, True), (2 * 4 * 108 * 4 - 1, False)])
def test_a_quarter_of_the_free_memory_is_the_limit_for_all_sets_together(
    image_set, tmp_path, monkeypatch, free, in_memory
):
    monkeypatch.setattr(share, "available_memory", lambda: free)
    caches = open_caches((image_set, image_set), 6, 3, tmp_path)
    assert [isinstance(cache._images, np.ndarray) for cache in caches] == [in_memory] * 2
