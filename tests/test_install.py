"""The package as it is installed from a copy of its source, into an environment that holds nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    *(path.name for path in ROOT.glob("requirements*.txt")),
    "ugatit_tf",
)
RUN = ("--dataset", "demo_faces", "--light", "--ch", 2, "--n_res", 1, "--n_dis", 4, "--img_size", 32)

pytestmark = pytest.mark.slow  # gets its requirements from the network, or from pip's cache


@pytest.fixture(scope="module")
def binaries(tmp_path_factory):
    """The folder of the programs of an environment with the package."""
    source, environment = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("environment")
    for name in SOURCE:  # not in place, where a build leaves files that the next one would take in
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    run(environment, sys.executable, "-m", "venv", environment)
    run(environment, environment / "bin" / "pip", "install", source)
    yield environment / "bin"
    shutil.rmtree(environment)  # gigabytes


def run(folder, *command):
    """Runs a command that knows nothing of this process's Python; returns its output."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(package):
    return {path.relative_to(package) for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def test_every_file_of_the_package_is_installed(binaries, tmp_path):
    place = run(tmp_path, binaries / "python", "-c", "import ugatit_tf; print(*ugatit_tf.__path__)").strip()
    assert Path(place).is_relative_to(binaries.parent)
    assert files(Path(place)) == files(ROOT / "ugatit_tf")


@pytest.mark.parametrize(
    ("command", "name"), [(("ugatit",), "ugatit"), (("python", "-m", "ugatit_tf"), "python -m ugatit_tf")]
)
def test_both_commands_say_how_they_are_used(binaries, tmp_path, command, name):
    program, *arguments = command
    assert run(tmp_path, binaries / program, *arguments, "--help").startswith(f"usage: {name} [--flag value ...]\n")


def test_it_trains_and_translates_and_exports_in_an_empty_folder(binaries, tmp_path):
    ugatit = binaries / "ugatit"
    run(tmp_path, ugatit, "--phase", "demo_data", "--img_size", 32)
    output = run(tmp_path, ugatit, "--phase", "train", *RUN, "--epoch", 1, "--iteration", 2)
    assert "Saved step 2 to checkpoint/" in output
    picture = next((tmp_path / "dataset" / "demo_faces" / "testA").iterdir())
    run(tmp_path, ugatit, "--phase", "translate", *RUN, "--input", picture, "--output", "out")
    assert [path.name for path in (tmp_path / "out" / "A2B").glob("*.png")] == [picture.name]
    assert "Exported to export/" in run(tmp_path, ugatit, "--phase", "export", *RUN, "--export_format", "saved_model")
