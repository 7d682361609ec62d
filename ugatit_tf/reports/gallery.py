"""Writes HTML pages: a heading, facts, and sections with a table, plots and pictures.

A page is one file beside its pictures: the template `page.html` includes the style sheet and the scripts. Jinja2
escapes every value, so names of files and datasets may contain any characters. Only the results of `render` count as
HTML.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from ugatit_tf.system.files import write_atomically


@dataclasses.dataclass(frozen=True)
class Item:
    """A few pictures that belong together, such as an input with its translation."""

    name: str  # the name on the page; any text
    pictures: tuple[tuple[str, str], ...]  # pairs of a caption and a path relative to the page, in the order shown
    note: str = ""  # a short remark such as "L1 0.081"


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page, such as one direction of translation."""

    title: str  # the heading, for instance "A → B"
    summary: tuple[tuple[str, ...], ...] = ()  # the rows of the table: a label and one value or more
    items: tuple[Item, ...] = ()
    columns: tuple[str, ...] = ()  # the headings of the values in the table
    total: int | None = None  # the number of all items if `items` holds only some of them; 0 hides the number
    markup: str = ""  # HTML from `render`, between the table and the pictures. The page escapes any other text.

    @property
    def count(self) -> int:
        """The number of items, shown or not."""
        return len(self.items) if self.total is None else self.total


def write(
    path: Path,
    title: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    warnings: Sequence[str] = (),
    *,
    links: Sequence[tuple[str, str]] = (),
    refresh: int = 0,
) -> None:
    """Writes a page completely or not at all.

    The page refers to its pictures by relative paths, so its folder may be moved.

    Args:
        path: the file to write; its folder exists.
        title: the heading.
        facts: pairs of label and value about the run, at the top.
        sections: the sections in their order.
        warnings: warnings above the sections, a sentence or two each.
        links: pairs of a label and a path relative to the page, which lead to other pages.
        refresh: the browser reloads the page after so many seconds; 0 means never.

    Raises:
        RunError: The file cannot be written.
        ValueError: A picture's path is absolute.
    """
    page = render(
        "page.html", title=title, facts=facts, sections=sections, warnings=warnings, links=links, refresh=refresh
    )
    # A file name that is not valid Unicode still has a correct link; the page shows it with question marks.
    write_atomically(path, page.encode("utf-8", "replace"))


def render(template: str, **values: Any) -> Markup:
    """Returns the HTML of a file in `templates/`, with all values escaped."""
    return Markup(_TEMPLATES.get_template(template).render(values))


def url(path: str) -> str:
    """Returns a picture's path as a relative URL.

    Raises:
        ValueError: The path is absolute.
    """
    if PurePosixPath(path).is_absolute():
        raise ValueError(f"a picture's path must be relative to the page: {path}")
    return quote(os.fsencode(path))  # of the file system's bytes; escapes all characters with a meaning in HTML


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"url": url, "json": json.dumps}
