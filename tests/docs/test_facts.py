"""What the pages say of the code, as far as the code can be asked."""

import ast
import re
import runpy
from pathlib import Path

import pytest

from ugatit_tf import flags, phases

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ugatit_tf"
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FIRST_CELLS = re.compile(r"^\| `([^`]+)`", re.MULTILINE)  # of the rows of tables


def test_every_flag_that_is_mentioned_is_there(flag):
    known = {"phase", "preset", "help", "nolight"}
    known |= {name for phase in phases.table().values() for name in flags.taken_by(phase.Options)}
    assert flag.removeprefix("--") in known


def test_the_readme_tells_of_every_phase():
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Phases")[2].partition("\n## ")[0]
    assert sorted(FIRST_CELLS.findall(section)[1:]) == sorted(phases.table())


def test_the_tree_names_every_file():
    folders, named = [], set()
    tree = re.search(r"```text\n(ugatit_tf/\n.*?)```", ARCHITECTURE, re.DOTALL)[1]
    for indent, name in re.findall(r"^( *)([\w.]+(?:/|\.py))(?= |$)", tree, re.MULTILINE):
        folders[len(indent) // 2 :] = [name]
        named.add("".join(folders))
    files = {path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py" or path.read_text()}
    assert {path for path in named if path.endswith(".py")} == {str(path.relative_to(ROOT)) for path in files}


def test_the_levels_are_those_that_are_checked():
    levels = runpy.run_path(str(ROOT / "tests" / "test_imports.py"))["LEVELS"]
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", ARCHITECTURE, re.MULTILINE)
    told = {int(level): set(re.findall(r"`(\w+)", rooms)) for level, rooms in rows}
    assert told == dict(enumerate(levels))


def test_a_file_that_is_mentioned_is_there(path):
    places = (ROOT, PACKAGE)
    assert any((place / path).exists() for place in places) or list(PACKAGE.rglob(path))


def literal_texts():
    """All texts in the package's code but docstrings; of f-strings, what does not vary."""
    for path in PACKAGE.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        docstrings = {node.value for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                yield node.value


@pytest.mark.parametrize("name", ["troubleshooting.md", "training.md"])
def test_a_message_that_is_explained_is_one(name):
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    tables = [part for part in page.split("\n\n") if part.startswith(("| you see", "| it says"))]
    messages = [message for table in tables for message in FIRST_CELLS.findall(table)]
    assert len(messages) >= 5
    known = "\n".join(literal_texts())
    for message in messages:
        words = message.split()
        size = min(3, len(words) - 1)  # so many in a row; others vary, such as names and numbers
        assert any(" ".join(words[i : i + size]) in known for i in range(len(words) - size + 1)), message
