import os
import subprocess
import sys
from pathlib import Path

import pytest

import main

ROOT = Path(main.__file__).parent


def run(*command, cwd=ROOT):
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("command", "name"),
    [((ROOT / "main.py",), "main.py"), (("main.py",), "main.py"), (("-m", "ugatit_tf"), "python -m ugatit_tf")],
)
def test_usage_and_errors_name_the_program_as_it_was_called(command, name):
    done = run(sys.executable, *command, "--phase", "status", "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {name} [--flag value ...]\n")
    done = run(sys.executable, *command, "--ch", "0")
    assert (done.returncode, done.stderr) == (2, f"{name}: --ch 0: must be from 1 to 4096.\n")


def test_an_installed_command_is_named_without_its_folder(capsys):
    assert main.main(["/usr/bin/ugatit", "--ch", "0"]) == 2
    assert capsys.readouterr().err == "ugatit: --ch 0: must be from 1 to 4096.\n"


def test_without_a_command_line_it_takes_that_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["ugatit", "--ch", "-1"])
    assert main.main() == 2
    assert capsys.readouterr().err == "ugatit: --ch -1: must be from 1 to 4096.\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_enough_is_no_error(unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    command, environment = [sys.executable, "main.py", "--help"], os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with os.fdopen(writer) as pipe:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


def test_nor_is_a_closed_output():
    done = run("sh", "-c", f"{sys.executable} main.py --help >&-")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", [("main.py",), ("-m", "ugatit_tf")])
def test_tensorflow_starts_without_a_word(command, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    folders = (f"--{name}_dir={tmp_path}" for name in ("dataset", "checkpoint"))
    done = run(sys.executable, *command, "--dataset", "missing", *folders)
    assert done.stdout.startswith("Device: CPU")
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert "Dataset 'missing' lacks images" in done.stderr
