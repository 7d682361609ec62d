"""The page as a browser would read it: parsed, with every text and every link compared with what went in."""

import os
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urljoin, urlsplit

import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.reports.gallery import Item, Section, write

VOID = {"meta", "img", "br", "link", "hr", "input"}
HOSTILE = [
    "<script>alert(1)</script>.png",
    "\"quoted\" 'name'.png",
    "a & b &amp; c.png",
    "#1 100%.png",
    "셀카 사진.png",
    "-->.png",
]
CAPTIONS = ("input", "attention", "output", "ground truth")


class Page(HTMLParser):
    """Elements as (tag, attributes, text), in order; fails on a tag that is not closed, or closed twice."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text("utf-8")
        self.open, self.elements = [], []
        self.feed(self.source)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes), f"an attribute of <{tag}> is given twice"
        self.elements.append([tag, dict(attributes), ""])
        if tag not in VOID:
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open[-1][0] == tag, f"</{tag}> closes <{self.open[-1][0]}>"
        self.open.pop()

    def handle_data(self, data):
        if self.open:
            self.open[-1][2] += data

    def texts(self, tag):
        return [text for name, _, text in self.elements if name == tag]

    def attributes(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]


def item(name, note=""):
    return Item(name, tuple((caption, f"A2B/{caption}/{name}") for caption in CAPTIONS), note)


@pytest.fixture
def page(tmp_path):
    items = tuple(item(name, f"L1 <{name}>") for name in HOSTILE)
    sections = (
        Section("A → B", (("Mean L1", "0.081"), ("<b>", "<i> & 2")), items),
        Section("B → A <i>", (), (Item("one.png", (("output", "B2A/one.png"),)),)),
        Section("Nothing", (), ()),
    )
    write(tmp_path / "index.html", "U-GAT-IT </title>", (("Step", "100 < 200"), ("</dl>", '<i>"x"')), sections)
    return Page(tmp_path / "index.html")


def test_all_text_arrives_as_text(page):
    assert page.texts("title") == page.texts("h1") == ["U-GAT-IT </title>"]
    assert page.texts("h2") == ["A → B", "B → A <i>", "Nothing"]
    assert page.texts("h3") == [*HOSTILE, "one.png"]
    assert page.texts("dt") == ["Step", "</dl>"]
    assert page.texts("dd") == ["100 < 200", '<i>"x"']
    assert page.texts("th") == ["Mean L1", "<b>"]
    assert page.texts("td") == ["0.081", "<i> & 2"]
    assert page.texts("figcaption") == [*CAPTIONS * len(HOSTILE), "output"]
    assert page.texts("p") == [*(f"L1 <{name}>" for name in HOSTILE), "No pictures."]
    assert not {"script", "b", "i"} & {tag for tag, _, _ in page.elements}


def test_every_picture_is_linked_described_and_lazy(page):
    expected = [(f"A2B/{caption}/{name}", f"{name}, {caption}") for name in HOSTILE for caption in CAPTIONS]
    expected.append(("B2A/one.png", "one.png, output"))
    pictures = page.attributes("img")
    assert [(unquote(picture["src"]), picture["alt"]) for picture in pictures] == expected
    for picture in pictures:
        assert picture["loading"] == "lazy"
        assert picture["width"] == picture["height"]
    links = [link["href"] for link in page.attributes("a") if not link["href"].startswith("#")]
    assert links == [picture["src"] for picture in pictures]


def test_urls_resolve_inside_the_folder_wherever_it_lies(page):
    for picture in page.attributes("img"):
        assert re.fullmatch(r"[A-Za-z0-9_.~/%-]+", picture["src"])
        whole = urlsplit(urljoin("file:///somewhere/results/index.html", picture["src"]))
        assert whole.path.startswith("/somewhere/results/")
        assert not whole.query
        assert not whole.fragment


def test_nothing_comes_from_elsewhere(page, tmp_path):
    assert "http" not in page.source
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert str(tmp_path) not in page.source
    assert not page.attributes("link")


def test_the_navigation_reaches_every_section(page):
    targets = [link["href"] for link in page.attributes("a") if link["href"].startswith("#")]
    assert targets == [f"#{section['id']}" for section in page.attributes("section")]
    assert len(set(targets)) == 3
    assert page.texts("span") == [str(len(HOSTILE)), "1", "0"]
    identifiers = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    assert all(section["aria-labelledby"] in identifiers for section in page.attributes("section"))


def test_language_scale_and_colours_are_declared(page):
    assert page.attributes("html") == [{"lang": "en"}]
    names = {meta.get("name"): meta.get("content") for meta in page.attributes("meta")}
    assert names["color-scheme"] == "light dark"
    assert "width=device-width" in names["viewport"]
    assert {"charset": "utf-8"} in page.attributes("meta")
    assert "prefers-color-scheme: dark" in page.source


def test_a_row_has_room_for_the_fullest_item(page):
    rows = [attributes["style"] for attributes in page.attributes("div") if attributes.get("class") == "items"]
    assert rows == ["--pictures: 4", "--pictures: 1"]


def test_what_is_empty_leaves_no_empty_element(tmp_path):
    write(tmp_path / "index.html", "Title", (), (Section("A → B", (), (Item("x", ()),)),))
    page = Page(tmp_path / "index.html")
    assert not {"dl", "table", "p"} & {tag for tag, _, _ in page.elements}
    write(tmp_path / "index.html", "Title", (), ())
    assert not {"nav", "section"} & {tag for tag, _, _ in Page(tmp_path / "index.html").elements}


def test_a_name_that_is_no_unicode_is_linked_by_its_bytes(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    write(tmp_path / "index.html", "Title", (), (Section("A → B", (), (Item(name, (("input", name),)),)),))
    page = Page(tmp_path / "index.html")
    assert page.attributes("img")[0]["src"] == "caf%E9.png"
    assert page.texts("h3") == ["caf?.png"]


@pytest.mark.parametrize("path", ["/tmp/x.png", "//host/x.png"])
def test_an_absolute_path_is_refused(tmp_path, path):
    with pytest.raises(ValueError, match="relative"):
        write(tmp_path / "index.html", "Title", (), (Section("A", (), (Item("x", (("input", path),)),)),))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["javascript:alert(1)", "http://host/x.png", "?x", "#x", "a\\b"])
def test_no_path_becomes_another_kind_of_url(tmp_path, path):
    write(tmp_path / "index.html", "Title", (), (Section("A", (), (Item("x", (("input", path),)),)),))
    source = Page(tmp_path / "index.html").attributes("img")[0]["src"]
    assert unquote(source) == path
    assert urlsplit(source)[:2] == ("", "")
    assert urlsplit(source).path == source


def test_a_page_is_replaced(tmp_path):
    path = tmp_path / "index.html"
    for title in "old", "new":
        write(path, title, (), ())
    assert Page(path).texts("h1") == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_page_whole(tmp_path, monkeypatch):
    path = tmp_path / "index.html"
    path.write_text("old")

    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(RunError, match=r"cannot write .*index\.html: No space left on device$"):
        write(path, "new", (), ())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_warnings_come_first_and_as_text(tmp_path):
    section = Section("A → B", (), ())
    write(tmp_path / "index.html", "Title", (), (section,), ("A has <b>60</b> images.", "B & C"))
    page = Page(tmp_path / "index.html")
    assert page.texts("li")[:2] == ["A has <b>60</b> images.", "B & C"]
    write(tmp_path / "index.html", "Title", (), (section,))
    assert 'class="warnings"' not in (tmp_path / "index.html").read_text()


def test_a_table_may_have_columns(tmp_path):
    rows = (("Found", "3", "<4>"), ("Kept", "1", "2"))
    write(tmp_path / "index.html", "Title", (), (Section("A beside B", rows, (), ("A", "B <i>")),))
    page = Page(tmp_path / "index.html")
    assert page.texts("th") == ["A", "B <i>", "Found", "Kept"]
    assert [attributes.get("scope") for attributes in page.attributes("th")] == ["col", "col", "row", "row"]
    assert page.texts("td") == ["", "3", "<4>", "1", "2"]


def test_items_may_be_some_of_many(tmp_path):
    items = (item("one.png"),)
    sections = (Section("Many", (), items, total=12345), Section("All", (), items, total=1), Section("X", (), items))
    write(tmp_path / "index.html", "Title", (), (*sections, Section("No number", (), items, total=0)))
    page = Page(tmp_path / "index.html")
    assert page.texts("span") == ["12,345", "1", "1"]
    assert page.texts("p") == ["1 of 12,345 shown."]
