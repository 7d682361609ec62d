import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]


def anchors(path):
    """What GitHub makes of a page's headings, to be linked to."""
    tokens = MarkdownIt().parse(path.read_text(encoding="utf-8"))
    texts = [body.content for head, body in zip(tokens, tokens[1:], strict=False) if head.type == "heading_open"]
    return [re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in texts]


def test_a_link_leads_somewhere(link):
    target, _, anchor = unquote(link.text).partition("#")
    if "://" in target:
        return
    path = link.page.parent / target if target else link.page
    assert path.exists()
    assert not anchor or anchor in anchors(path)


def test_headings_are_linked_to_without_doubt(page):
    assert len(anchors(page)) == len(set(anchors(page)))


def test_a_page_begins_with_its_only_title(page):
    levels = [token.tag for token in MarkdownIt().parse(page.read_text("utf-8")) if token.type == "heading_open"]
    assert (levels[0], levels.count("h1")) == ("h1", 1)


def test_the_readme_lists_every_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"](docs/{page.name})" not in readme] == []


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("## Time, memory and disk", "time-memory-and-disk"),
        ("### `--phase train`", "--phase-train"),
        ("# A.b_c", "ab_c"),
    ],
)
def test_anchors_are_githubs(tmp_path, heading, anchor):
    (tmp_path / "page.md").write_text(f"text\n\n{heading}\n")
    assert anchors(tmp_path / "page.md") == [anchor]
