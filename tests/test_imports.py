"""Which way imports go: a room imports itself and the rooms of lower levels, never one beside it or above it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = "ugatit_tf"
LEVELS = [
    {"errors", "allocator", "knobs"},
    {"files"},
    {"config", "bundle"},
    {"networks", "data"},
    {"interop", "evaluation", "reports", "training"},
    {"inference"},
    {"phases"},
    {"main", PACKAGE},
]
BELOW = {room: set().union(*LEVELS[:i]) for i, level in enumerate(LEVELS) for room in level}
ALLOWED = BELOW | {
    "networks": set(),  # the architecture knows nothing of the program around it
    "flags": {"errors", "config"},
    "main": BELOW["main"] | {"flags"},
}
UPPER_TRAINING = {"training.loop", "training.ugatit"}
LOWER_TRAINING = {"training.diffaugment", "training.ema", "training.losses", "training.penalties", "training.schedule"}


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
    wrong = {name for name in imports if name.split(".")[0] not in ALLOWED[room] | {room}}
    if module in LOWER_TRAINING:
        wrong |= {name for name in imports if ".".join(name.split(".")[:2]) in UPPER_TRAINING}
    return wrong


FILES = {module_name(path): path for path in [ROOT / "main.py", *sorted((ROOT / PACKAGE).rglob("*.py"))]}


@pytest.mark.parametrize("module", FILES)
def test_imports_go_down(module):
    assert module.split(".")[0] in ALLOWED, f"{module}: a new room; say in LEVELS where it belongs"
    path = FILES[module]
    assert not violations(module, imported(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"))


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("training.loop", "from ugatit_tf.training import ugatit\nfrom ugatit_tf.config import Config", set()),
        ("training.loop", "from ugatit_tf import interop", {"interop"}),
        ("training.loop", "def f():\n    import ugatit_tf.flags", {"flags"}),
        ("training.losses", "from ugatit_tf.training.ugatit import UGATIT", {"training.ugatit.UGATIT"}),
        ("training.losses", "from . import loop", {"training.loop"}),
        ("training.losses", "from .. import phases", {"phases"}),
        ("networks.generator", "from ugatit_tf.config import Config", {"config.Config"}),
        ("data.images", "from ugatit_tf.networks import attention", {"networks.attention"}),
        ("phases.train", "from ugatit_tf import flags", {"flags"}),
        ("main", "from ugatit_tf import flags, phases", set()),
    ],
)
def test_an_upward_import_is_noticed(module, source, wrong):
    assert violations(module, imported(source, module)) == wrong


@pytest.mark.parametrize("module", ["ugatit_tf", "ugatit_tf.config", "ugatit_tf.flags", "main"])
def test_no_tensorflow_before_the_flags_are_checked(module):
    # TensorFlow takes seconds to load; a mistyped flag is told at once.
    program = f"import sys, {module}; print(sorted({{'tensorflow', 'keras', 'numpy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
