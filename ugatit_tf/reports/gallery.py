"""The frame that all pages share, and the gallery: sections of a table, plots and pictures in one HTML file.

A page is one file that needs nothing else but its pictures: the template `page.html` puts the style sheet and the
scripts into it. Jinja2 escapes every value, so that names of files and datasets may hold any characters. Only what
`render` returns counts as HTML.
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
    """A few pictures that belong together, such as an input with its translation.

    Attributes:
        name: the shown name; any text.
        pictures: pairs of a caption and a path relative to the page, in the order shown.
        note: a short remark such as "L1 0.081".
    """

    name: str
    pictures: tuple[tuple[str, str], ...]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page, such as one direction of translation.

    Attributes:
        title: the heading, for instance "A → B".
        summary: rows of a label and one value or more; may be empty.
        items: the pictures; may be empty.
        columns: headings of the values, where there are several; may be empty.
        total: the number of all items, where `items` holds only some of them; 0 hides the number.
        markup: HTML between the table and the pictures, from `render`. The page escapes any other string.
    """

    title: str
    summary: tuple[tuple[str, ...], ...]
    items: tuple[Item, ...]
    columns: tuple[str, ...] = ()
    total: int | None = None
    markup: str = ""

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
    """Writes the page as a whole; a failed write leaves an older page as it was.

    The page refers to its pictures relative to itself only, so that the folder may be moved.

    Args:
        path: the file to write; its folder exists.
        title: the heading.
        facts: pairs of label and value about the run, shown at the top.
        sections: in the order shown.
        warnings: what the reader should know first, a sentence or two each.
        links: pairs of a label and a path relative to the page, of other pages.
        refresh: the browser loads the page anew after so many seconds; 0 means never.

    Raises:
        RunError: the file cannot be written.
        ValueError: a picture's path is absolute.
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
        ValueError: the path is absolute.
    """
    if PurePosixPath(path).is_absolute():
        raise ValueError(f"a picture's path must be relative to the page: {path}")
    return quote(os.fsencode(path))  # the file system's own bytes; no character with a meaning in HTML is left


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"url": url, "json": json.dumps}
