"""Import levels: a room imports itself and the rooms of lower levels, never one beside it or above it; and sizes."""

import ast
import collections
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "ugatit_tf"
LEVELS = [
    {"errors", "direction"},
    {"json_files", "options", "ops"},
    {"system", "config", "networks"},
    {"data"},
    {"training", "reports", "distribution"},
    {"checkpoints"},
    {"runs", "evaluation", "export", "inference"},
    {"serving"},
    {"phases", "flags"},
    {"__main__", PACKAGE},
    {"main"},
]
MAX_LINES, MAX_MODULES = 400, 20
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}


def module_name(path):
    """`training.loop` for ugatit_tf/training/loop.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts[1:]) or parts[0]


def imported(source, module, is_package=False):
    """The package's modules that a source imports, anywhere in it, without the leading `ugatit_tf.`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = [PACKAGE, *module.split(".")]
                parents = parents[: len(parents) - node.level + is_package]
                base = ".".join([*parents, base]).rstrip(".")
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return {name.removeprefix(f"{PACKAGE}.") for name in names if name.startswith(f"{PACKAGE}.")}


def violations(module, imports):
    room = module.split(".")[0]
    others = {name: name.split(".")[0] for name in imports}
    return {name for name, other in others.items() if other != room and LEVEL[other] >= LEVEL[room]}


FILES = {module_name(path): path for path in [ROOT / "main.py", *sorted((ROOT / PACKAGE).rglob("*.py"))]}


def test_files_and_rooms_are_of_a_size_to_read():
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in FILES.items()}
    assert {module: length for module, length in lengths.items() if length > MAX_LINES} == {}
    modules = collections.Counter(path.parent for path in FILES.values() if path.name != "__init__.py")
    assert {folder.name: count for folder, count in modules.items() if count > MAX_MODULES} == {}


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module):
    assert module.split(".")[0] in LEVEL, f"{module}: a new room; say in LEVELS where it belongs"
    path = FILES[module]
    assert not violations(module, imported(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"))


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("runs.loop", "from ugatit_tf.training import ugatit\nfrom ugatit_tf.config import Config", set()),
        ("runs.loop", "from ugatit_tf import export", {"export"}),
        ("runs.loop", "def f():\n    import ugatit_tf.flags", {"flags"}),
        ("training.losses", "from ugatit_tf.training.ugatit import UGATIT", set()),
        ("training.losses", "from . import objective", set()),
        ("training.losses", "from .. import phases", {"phases"}),
        ("networks.generator", "from ugatit_tf.ops import conv2d", set()),
        ("networks.generator", "from ugatit_tf.config import Config", {"config.Config"}),
        ("data.images", "from ugatit_tf.training import losses", {"training.losses"}),
        ("phases.train", "from ugatit_tf import flags", {"flags"}),
        ("main", "from ugatit_tf.__main__ import main", set()),
        ("flags", "from ugatit_tf.__main__ import main", {"__main__.main"}),
    ],
)
def test_an_upward_import_is_noticed(module, source, wrong):
    assert violations(module, imported(source, module)) == wrong


@pytest.mark.parametrize("module", ["ugatit_tf", "ugatit_tf.config", "ugatit_tf.flags", "ugatit_tf.__main__"])
def test_no_tensorflow_before_the_flags_are_checked(module):
    # TensorFlow takes seconds to load; a mistyped flag is told at once.
    program = f"import sys, {module}; print(sorted({{'tensorflow', 'keras', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
