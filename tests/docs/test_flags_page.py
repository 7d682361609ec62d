import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_flags_is_what_the_code_says():
    page = runpy.run_path(str(DOCS / "make_flags.py"))["page"]()
    assert (DOCS / "flags.md").read_text() == page, "run `python docs/make_flags.py`"
