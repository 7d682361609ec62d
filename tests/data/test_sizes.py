import dataclasses
import json

import pytest

from ugatit_tf.data import sizes, sources

SPLITS = "trainA", "trainB"


def warning_of(config):
    return sizes.find_warning(config, sources.open_splits(config, SPLITS))


def fill(put, root, small, large):
    """Each domain gets `small` pictures whose shorter side is one below the training size of 32, then large ones."""
    for split in SPLITS:
        for index in range(small + large):
            put(root / split, f"{index:03d}.png", size=(31, 40) if index < small else (40, 32))


@pytest.mark.parametrize(("small", "is_told"), [(2, False), (3, True)])
def test_most_of_a_folders_pictures_must_be_smaller(mine, put, small, is_told):
    config, root = mine
    fill(put, root, small, 2)
    assert config.img_size == 32
    assert (warning_of(config) is not None) == is_told


def test_the_warning_names_each_domain_with_its_numbers_in_one_line(mine, put):
    config, root = mine
    for index, side in enumerate((10, 12, 20, 60)):
        put(root / "trainA", f"{index}.png", size=(side, 2 * side))
        put(root / "trainB", f"{index}.png", size=(60, 60))
    assert warning_of(config) == (
        f"Training enlarges most pictures, as they are smaller than --img_size 32: 3 of 4 in {root / 'trainA'} "
        "(the median's shorter side is 16 px). Use larger pictures, or a smaller --img_size."
    )


def test_only_the_first_fifty_pictures_count_and_damaged_ones_do_not(mine, put):
    config, root = mine
    fill(put, root, 50, 60)
    for split in SPLITS:
        for index in range(30):
            (root / split / f"{index:03d}.png").write_bytes(b"damaged")
    assert "20 of 20 in" in warning_of(config)


def test_no_picture_is_decoded(mine, put, monkeypatch):
    from PIL import ImageFile

    config, root = mine
    fill(put, root, 3, 0)

    def load(_):
        raise AssertionError

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    assert warning_of(config)


def report(root, size):
    root.mkdir(parents=True, exist_ok=True)
    (root / "report.json").write_text(json.dumps({"settings": {"size": size}}))


@pytest.mark.parametrize(("size", "is_told"), [(31, True), (32, False)])
def test_the_size_of_a_prepared_dataset_is_in_its_report(mine, put, size, is_told):
    config, root = mine
    fill(put, root, 3, 0)
    report(root, size)
    expected = (
        f"Training enlarges all pictures: {root} was prepared with --size 31, which is smaller than --img_size 32. "
        "Prepare it again with a larger --size, or use a smaller --img_size."
    )
    assert warning_of(config) == (expected if is_told else None)


def test_an_old_report_without_a_size_is_passed_over(mine, put):
    config, root = mine
    fill(put, root, 3, 0)
    report(root, None)
    assert "3 of 3 in" in warning_of(config)


def test_a_source_without_files_has_no_warning(mine):
    config, root = mine
    config = dataclasses.replace(config, dataset="demo")
    report(root.with_name("demo"), 16)  # this folder is not what `demo` means
    assert warning_of(config) is None
