"""A folder of awkward files goes all the way: listed, read, cached, batched, shown."""

import dataclasses
import itertools
import logging
import os
from html.parser import HTMLParser
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest

from ugatit_tf.data import images, pipeline, sources
from ugatit_tf.data.cache import ImageCache
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import shown
from ugatit_tf.reports import gallery

pytestmark = pytest.mark.filterwarnings("ignore:Corrupt EXIF")

SIDE = 16


@pytest.fixture(scope="module")
def read(corpus):
    """Each case with its picture, uint8 `[SIDE, SIDE, 3]`, or the message of why there is none."""
    place, cases = corpus
    results = []
    for case in cases:
        try:
            results.append((case, images.load(place / case.name, SIDE)))
        except images.UnreadableImageError as error:
            results.append((case, str(error)))
    return results


@pytest.fixture
def image_set(corpus, tiny_config):
    """The corpus as a dataset's split, in the order of its cases."""
    place, cases = corpus
    config = dataclasses.replace(tiny_config, dataset_dir=str(place.parents[1]), dataset="corpus")
    (listed,) = sources.open_splits(config, ("trainA",))
    paths, _ = folder.list_images(place)
    order = [paths.index(case.name) for case in cases]
    names = tuple(listed.names[index] for index in order)
    return dataclasses.replace(listed, names=names, read=lambda index, side: listed.read(order[index], side))


def test_it_is_large_enough(corpus):
    _, cases = corpus
    assert len([case for case in cases if case.quarters]) >= 40
    assert len([case for case in cases if not case.quarters]) >= 20


def test_all_are_listed_and_links_do_not_lead_in_circles(corpus, caplog):
    place, cases = corpus
    with caplog.at_level(logging.WARNING):
        paths, skipped = folder.list_images(place)
    assert sorted(paths) == sorted(case.name for case in cases)
    assert skipped == []
    assert len(caplog.records) == 2  # loop, up


def test_names_are_unique_and_fit(image_set):
    assert len(set(image_set.names)) == len(image_set)
    assert all(len(f"{name}.png".encode(errors="surrogateescape")) <= 255 for name in image_set.names)


def test_good_files_are_upright_and_have_their_colours(read):
    wrong = []
    for case, result in read:
        if case.quarters:
            middles = None if isinstance(result, str) else result[np.ix_([4, 11], [4, 11])].reshape(4, 3).astype(int)
            if middles is None or np.abs(middles - case.quarters).max() > case.tolerance:
                wrong.append((case.name, result if middles is None else middles.tolist()))
    assert not wrong


def test_bad_files_are_told_in_one_line_with_name_and_reason(corpus, read):
    place, _ = corpus
    for case, result in read:
        if not case.quarters:
            assert isinstance(result, str), case.name
            name, colon, reason = result.partition(f"{case.name}: ")
            assert (name, colon) == (f"{place}/", f"{case.name}: ")
            assert reason
            assert case.reason in reason
            assert result.isprintable()


def test_a_file_that_may_not_be_read_is_told(corpus, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))  # the tests may run as root, whom nothing is refused

    place, _ = corpus
    monkeypatch.setattr(type(place), "read_bytes", refuse)
    with pytest.raises(images.UnreadableImageError, match=r"private\.png: Permission denied$"):
        images.load(place / "private.png", SIDE)


def often(image_set, cases):
    """The set, with its good files repeated until the bad ones are few."""
    good = [index for index, case in enumerate(cases) if case.quarters]
    bad = [index for index, case in enumerate(cases) if not case.quarters]
    order = bad + good * (20 * len(bad) // len(good) + 1)
    names = tuple(map(str, range(len(order))))
    return dataclasses.replace(image_set, names=names, read=lambda index, side: image_set.read(order[index], side))


def test_training_sees_every_good_file_and_is_told_of_every_bad_one(corpus, read, image_set, caplog):
    _, cases = corpus
    many = often(image_set, cases)
    caches = [ImageCache(many, SIDE, 3, None) for _ in "AB"]
    batches = pipeline.batches(caches, SIDE, 1, augment=False, seed=0, first_step=0)
    seen = {images.to_uint8(batch.numpy()).tobytes() for batch, _ in itertools.islice(batches, len(many))}
    assert seen == {result.tobytes() for case, result in read if case.quarters}
    for case in cases:
        told = [record.getMessage() for record in caplog.records if f"/{shown(case.name)}: " in record.getMessage()]
        assert len(told) == (0 if case.quarters else 2), case.name  # once for A, once for B


class Page(HTMLParser):
    """The tags of a page, the texts of its titles, and what its pictures show."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.titles, self.pictures, self.in_title = [], [], [], False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "h3":
            self.titles.append("")
            self.in_title = True
        if tag == "img":
            self.pictures.append(dict(attributes)["src"])
        assert not [name for name, _ in attributes if name.startswith("on")]

    def handle_endtag(self, tag):
        self.in_title &= tag != "h3"

    def handle_data(self, data):
        if self.in_title:
            self.titles[-1] += data


def test_names_are_but_text_on_a_page(read, image_set, tmp_path):
    named = [(name, result) for name, (case, result) in zip(image_set.names, read, strict=True) if case.quarters]
    for name, result in named:
        images.save_png(tmp_path / f"{name}.png", result)
    items = tuple(gallery.Item(name, (("input", f"{name}.png"),)) for name, _ in named)
    gallery.write(tmp_path / "index.html", "corpus", (), [gallery.Section("A", (), items)])
    page = Page((tmp_path / "index.html").read_bytes().decode())
    assert page.titles == [name.encode(errors="replace").decode() for name, _ in named]
    assert not {"script", "b", "i"} & set(page.tags)
    assert page.tags.count("img") == len(named)
    for source, (_, result) in zip(page.pictures, named, strict=True):
        np.testing.assert_array_equal(images.load(tmp_path / os.fsdecode(unquote_to_bytes(source)), SIDE), result)
