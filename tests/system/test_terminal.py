"""A process that prints, and what becomes of it when nobody reads."""

import builtins
import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ugatit_tf.system import terminal

ROOT = Path(terminal.__file__).parents[2]
HEAD = """
import os, sys, time
from pathlib import Path
from ugatit_tf.system import terminal
"""
FLOOD = """
with terminal.outlived():
    for index in range(20_000):
        print(f"line {index}", "." * 100, flush=True)
        print(f"line {index}", "." * 100, file=sys.stderr)
    Path("done").write_text("")
"""


@pytest.fixture
def start(tmp_path):
    """Starts a program that has its files in tmp_path, and kills it in the end if need be."""
    started = []

    def start(program, env=None, **streams):
        process = subprocess.Popen(
            [sys.executable, "-c", HEAD + program],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | (env or {}),
            **streams,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_output_that_is_read_comes_whole_and_in_order(start):
    process = start(FLOOD.replace("20_000", "5_000"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for output in process.communicate(timeout=60):
        assert output == "".join(f"line {index} {'.' * 100}\n" for index in range(5000))
    assert process.returncode == 0


def test_a_pipe_that_was_closed_stops_nothing(start, tmp_path):
    process = start("input()" + FLOOD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stderr.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "done").exists()


def test_a_terminal_that_was_closed_lets_the_run_save_and_end(start, tmp_path):
    ours, theirs = os.openpty()
    program = """
from ugatit_tf.system.signals import StopRequest
with terminal.outlived(), StopRequest() as stop:
    print("ready", sys.stdout.isatty(), flush=True)
    while not stop.requested or not Path("closed").exists():
        time.sleep(0.01)
    print("into nothing", flush=True)
    print("into nothing", file=sys.stderr, flush=True)
    Path("done").write_text("")
"""
    process = start(program, preexec_fn=lambda: os.login_tty(theirs))
    os.close(theirs)
    assert os.read(ours, 100) == b"ready True\r\n"
    os.close(ours)  # the system sends SIGHUP
    (tmp_path / "closed").write_text("")
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "done").exists()


def test_what_was_before_comes_back(start):
    program = """
streams = sys.stdout, sys.stderr
with terminal.outlived():
    print("unfinished, with \\udcff", end="")
assert (sys.stdout, sys.stderr) == streams
print(" then", flush=True)
"""
    process = start(program, stdout=subprocess.PIPE, text=True)
    assert process.communicate(timeout=60)[0] == "unfinished, with \\udcff then\n"
    assert process.returncode == 0


def test_a_pipe_that_others_made_non_blocking_loses_nothing():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with os.fdopen(reader) as pipe, os.fdopen(writer, "w") as stream:
        printing = threading.Thread(target=print, args=("x" * 1_000_000,), kwargs={"file": terminal._lasting(stream)})
        printing.start()
        assert len(pipe.readline()) == 1_000_001
        printing.join()


def test_what_a_full_disk_does_not_take_is_dropped(tmp_path, full_disk):
    with (tmp_path / "x").open("w") as stream:
        lasting = terminal._lasting(stream)
        with full_disk(after=0):
            print("dropped", file=lasting)
        print("kept", file=lasting)
    assert (tmp_path / "x").read_text() == "kept\n"


@pytest.mark.parametrize("context", ["may_be_cut_off", "outlived"])
def test_a_console_of_few_characters_takes_any(start, context):
    program = f"with terminal.{context}():\n    print('\u2192 \uc5bc\uad74.png')"
    process = start(program, env={"PYTHONIOENCODING": "cp1252"}, stdout=subprocess.PIPE, text=True)
    assert process.communicate(timeout=60)[0] == "\\u2192 \\uc5bc\\uad74.png\n"
    assert process.returncode == 0


def test_a_pipe_that_nobody_reads_ends_a_command_as_windows_reports_it(monkeypatch, capfd):
    def refuse(**_arguments):
        raise OSError(22, "Invalid argument")

    kept = os.dup(1)
    try:
        with pytest.raises(SystemExit) as caught, monkeypatch.context() as patch:
            patch.setattr(builtins, "print", refuse)
            with terminal.may_be_cut_off():
                pass
    finally:
        os.dup2(kept, 1)
    assert caught.value.code == 141


def test_streams_without_a_descriptor_stay_as_they_are(monkeypatch):
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stdout", stream)
        with terminal.outlived():
            assert sys.stdout is stream
