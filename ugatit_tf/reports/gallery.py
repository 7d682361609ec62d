"""A page of pictures in sections, such as the test phase's: one HTML file that needs nothing else."""

import dataclasses
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from ugatit_tf.system.files import write_atomically

_STYLE = """
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --text: #1b1f26; --quiet: #5b6472; --line: #dfe3e8; --link: #2456c7;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #14161a; --card: #1d2026; --text: #e8eaee; --quiet: #9da5b2; --line: #31363f; --link: #8fb0ff; }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--text); font: 1rem/1.5 system-ui, sans-serif; }
header, main { max-width: 100rem; margin: 0 auto; padding: 0 clamp(1rem, 3vw, 2.5rem); }
header { padding-block: 2rem 1.25rem; }
main { padding-bottom: 3rem; }
h1, h2, h3, p, dl, dd, figure { margin: 0; }
h1 { font-size: clamp(1.25rem, 4vw, 1.75rem); line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2rem 0 .75rem; font-size: 1.35rem; }
h3 { font-size: .875rem; font-weight: 600; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: .5rem 2rem; margin-top: 1rem; }
dt, th, figcaption, .note { color: var(--quiet); font-size: .8125rem; }
dd { overflow-wrap: anywhere; }
nav { position: sticky; top: 0; z-index: 1; background: var(--page); border-bottom: 1px solid var(--line); }
nav ul { display: flex; gap: 1.5rem; max-width: 100rem; margin: 0 auto; overflow-x: auto; list-style: none;
  padding: .625rem clamp(1rem, 3vw, 2.5rem); white-space: nowrap; }
nav a { color: var(--link); font-weight: 600; text-decoration: none; }
nav a:hover { text-decoration: underline; }
nav span { color: var(--quiet); font-weight: 400; }
table { margin-bottom: 1rem; border-collapse: collapse; }
th, td { padding: .25rem 1.5rem .25rem 0; border-bottom: 1px solid var(--line); text-align: left; }
th { font-weight: 400; }
td { font-variant-numeric: tabular-nums; }
.warnings { margin: 1.25rem 0 0; padding: .75rem 1rem .75rem 2rem; background: var(--card);
  border: 1px solid var(--line); border-left: .25rem solid #d98b00; border-radius: .5rem; }
.shown { margin-bottom: .75rem; }
.items { display: grid; gap: 1rem; grid-template-columns:
  repeat(auto-fill, minmax(min(100%, calc(var(--pictures) * 8.75rem + 1.25rem)), 1fr)); }
article { min-width: 0; max-width: calc(var(--pictures) * 12rem + 1.25rem); padding: .875rem;
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem; }
.title { display: flex; flex-wrap: wrap; justify-content: space-between; align-items: baseline; gap: 0 1rem;
  margin-bottom: .625rem; }
.pictures { display: grid; gap: .75rem; grid-template-columns:
  repeat(auto-fill, minmax(max(8rem, 100% / var(--pictures) - .75rem), 1fr)); }
figure { max-width: 11.25rem; }
figcaption { margin-top: .25rem; text-align: center; }
figure a { display: block; border-radius: .5rem; overflow: hidden; background: var(--line); }
img { display: block; width: 100%; height: auto; aspect-ratio: 1; object-fit: contain; }
a:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
"""


@dataclasses.dataclass(frozen=True)
class Item:
    """A few pictures that belong together, such as an input with what was made of it.

    Attributes:
        name: As shown; any text.
        pictures: Pairs of a caption and a path relative to the page, in the order shown.
        note: A short remark such as "L1 0.081".
    """

    name: str
    pictures: tuple[tuple[str, str], ...]
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page, such as one direction of translation.

    Attributes:
        title: For instance "A → B".
        summary: Rows of a label and one value or more; may be empty.
        items: The pictures; may be empty.
        columns: Headings of the values, where there are several; may be empty.
        total: How many items there are, where `items` are only some of them; 0 where no number is to be shown.
        markup: HTML between the table and the pictures, of one that has made it safe.
    """

    title: str
    summary: tuple[tuple[str, ...], ...]
    items: tuple[Item, ...]
    columns: tuple[str, ...] = ()
    total: int | None = None
    markup: str = ""

    @property
    def count(self) -> int:
        """How many items there are, shown or not."""
        return len(self.items) if self.total is None else self.total


def write(
    path: Path,
    title: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    warnings: Sequence[str] = (),
    *,
    head: str = "",
    links: Sequence[tuple[str, str]] = (),
) -> None:
    """Writes the page, whole or not at all: a failed write leaves an older page as it was.

    The page refers to its pictures relative to itself only, so that the folder may be moved.

    Args:
        path: Where to; the folder exists.
        title: The heading.
        facts: Pairs of label and value about the run, shown at the top.
        sections: In the order shown.
        warnings: What the reader should know first, a sentence or two each.
        head: HTML for the page's head: the styles and scripts that the sections' markup needs.
        links: Pairs of a label and a path relative to the page, of other pages.

    Raises:
        RunError: The file cannot be written.
        ValueError: A picture's path is absolute.
    """
    # A file name that is no valid Unicode is still linked right; on the page it is shown with question marks.
    page = _page(title, facts, sections, warnings, head=head, links=links)
    write_atomically(path, page.encode("utf-8", "replace"))


def _page(
    title: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    warnings: Sequence[str],
    *,
    head: str,
    links: Sequence[tuple[str, str]],
) -> str:
    entries = [
        f'<li><a href="#section-{number}">{escape(section.title)}{_count(section)}</a></li>'
        for number, section in enumerate(sections, 1)
    ]
    entries += [f'<li><a href="{url(path)}">{escape(label)}</a></li>' for label, path in links]
    navigation = "\n".join(entries)
    terms = "\n".join(f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>" for label, value in facts)
    alerts = "\n".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    body = "\n".join(_section(number, section) for number, section in enumerate(sections, 1))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{_STYLE}</style>
{head}
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{f"<dl>{terms}</dl>" if facts else ""}
{f'<ul class="warnings">{alerts}</ul>' if warnings else ""}
</header>
{f'<nav aria-label="Sections"><ul>{navigation}</ul></nav>' if entries else ""}
<main>
{body}
</main>
</body>
</html>
"""


def _count(section: Section) -> str:
    return "" if section.total == 0 else f" <span>{section.count:,}</span>"


def _section(number: int, section: Section) -> str:
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in section.columns)
    rows = "\n".join(
        f'<tr><th scope="row">{escape(label)}</th>{"".join(f"<td>{escape(value)}</td>" for value in values)}</tr>'
        for label, *values in section.summary
    )
    items = "\n".join(_item(item) for item in section.items)
    columns = max((len(item.pictures) for item in section.items), default=0)
    table = f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody>" if heads else f"<tbody>{rows}</tbody>"
    shown = f'<p class="note shown">{len(section.items):,} of {section.count:,} shown.</p>'
    gallery = f'<div class="items" style="--pictures: {max(columns, 1)}">\n{items}\n</div>'
    return f"""<section id="section-{number}" aria-labelledby="title-{number}">
<h2 id="title-{number}">{escape(section.title)}</h2>
{f"<table>{table}</table>" if rows else ""}
{shown if section.count > len(section.items) else ""}
{section.markup}
{gallery if items else "" if section.markup else '<p class="note">No pictures.</p>'}
</section>"""


def _item(item: Item) -> str:
    figures = "\n".join(_figure(item.name, caption, path) for caption, path in item.pictures)
    note = f'<p class="note">{escape(item.note)}</p>' if item.note else ""
    return f"""<article>
<div class="title"><h3>{escape(item.name)}</h3>{note}</div>
<div class="pictures">
{figures}
</div>
</article>"""


def _figure(name: str, caption: str, path: str) -> str:
    source = url(path)
    alt = escape(f"{name}, {caption}")
    # Width and height only reserve the square; the style sheet sets the size.
    return f"""<figure>
<a href="{source}"><img src="{source}" alt="{alt}" width="160" height="160" loading="lazy" decoding="async"></a>
<figcaption>{escape(caption)}</figcaption>
</figure>"""


def url(path: str) -> str:
    """A picture's path as a relative URL; a ValueError where it is absolute."""
    if PurePosixPath(path).is_absolute():
        raise ValueError(f"a picture's path must be relative to the page: {path}")
    return quote(os.fsencode(path))  # the file system's own bytes; no character that HTML knows is left
