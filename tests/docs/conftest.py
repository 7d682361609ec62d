"""The pages of documentation, taken apart: a test that has `block`, `command` or the like as an argument gets each."""

import dataclasses
import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ugatit_tf.system import assets

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("[cd]*/README.md"))]


@dataclasses.dataclass(frozen=True)
class Piece:
    """A part of a page: its page, its line there, what it is (a block's language), and its text."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self):
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def tokens(page: Path) -> list[Token]:
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(*languages: str) -> list[Piece]:
    """The fenced blocks of these languages; all, without any."""
    fences = ((page, token) for page in PAGES for token in tokens(page) if token.type in ("fence", "code_block"))
    found = [Piece(page, token.map[0] + 1, token.info.strip(), token.content) for page, token in fences]
    return [block for block in found if not languages or block.kind in languages]


def inline(kind: str, attribute: str = "") -> Iterator[Piece]:
    """What is inside of paragraphs and tables: the text, or an attribute, of tokens of a kind."""
    for page in PAGES:
        for token in tokens(page):
            for child in token.children or ():
                if child.type == kind:
                    text = child.attrs[attribute] if attribute else child.content
                    yield Piece(page, token.map[0] + 1 if token.map else 0, kind, str(text))


def matching(pattern: str) -> list[str]:
    """What matches at the beginning of code in sentences, each once."""
    found = (re.match(pattern, piece.text) for piece in inline("code_inline"))
    return sorted({match[0] for match in found if match})


def commands() -> list[Piece]:
    """Each command once: the lines of shell blocks, and what is a command in a sentence."""
    lines = [
        Piece(block.page, block.line + number, block.kind, line)
        for block in blocks("bash")
        for number, line in enumerate(block.text.replace("\\\n", " ").splitlines(), 1)
    ]
    begins = re.compile(r"(python|ugatit|make|pip|pytest|tensorboard) \S")
    lines += [piece for piece in inline("code_inline") if begins.match(piece.text)]
    once = {tuple(shlex.split(piece.text, comments=True)): piece for piece in reversed(lines)}
    return [piece for words, piece in once.items() if words]


def runs() -> Iterator[object]:
    """The commands of this program that are run, as far as no training has to go before."""
    for command in commands():
        match = re.match(r"(?:python main\.py|ugatit) --phase (\w+)(?! --help)", command.text)
        here = "--web_runtime" not in command.text  # which takes files that are brought from elsewhere
        if match and here and match[1] in RUN_PHASES | SLOW_PHASES:
            lacks = [
                name for text, name in EXTRAS.items() if text in command.text and not importlib.util.find_spec(name)
            ]
            lacks += [name for text, name in ASSETS.items() if text in command.text and not assets.is_cached(name)]
            marks = [pytest.mark.slow] if match[1] in SLOW_PHASES else []
            yield pytest.param(command, marks=[*marks, pytest.mark.skipif(bool(lacks), reason=f"takes {lacks}")])


RUN_PHASES = {"prepare", "status", "test", "translate"}
EXTRAS = {".mp4": "av", "hf://": "huggingface_hub", "huggingface": "huggingface_hub"}  # what a command with it takes
ASSETS = {"--crop_A face": assets.FACE_DETECTOR, "--background_A": assets.PERSON_MASK}  # likewise; fetched by npm
SLOW_PHASES = {"demo_data", "export"}
PARAMETERS = {
    "page": lambda: PAGES,
    "block": blocks,
    "bash_block": lambda: blocks("bash"),
    "json_block": lambda: blocks("json"),
    "python_block": lambda: blocks("python"),
    "command": commands,
    "run": runs,
    "flag": lambda: matching(r"--\w+"),
    "path": lambda: matching(r"(?!.*NAME)[\w/]+\.(?:py|md)$"),
    "link": lambda: [*inline("link_open", "href"), *inline("image", "src")],
}


def pytest_generate_tests(metafunc):
    for name, find in PARAMETERS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [*find()], ids=lambda value: str(value).removeprefix(f"{ROOT}/"))
