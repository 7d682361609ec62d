"""A process that prints, and what becomes of it when nobody reads."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ugatit_tf.system import terminal

ROOT = Path(terminal.__file__).parents[2]
HEAD = """
import os, signal, sys, time
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

    def start(program, **streams):
        process = subprocess.Popen(
            [sys.executable, "-c", HEAD + program], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, **streams
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


def test_a_reader_that_stopped_reading_holds_up_neither_the_run_nor_its_end(start, tmp_path):
    process = start(FLOOD, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "done").exists()
    for stream in (process.stdout, process.stderr):
        assert stream.read(14) == b"line 0 ......."


def test_a_pipe_that_was_closed_stops_nothing(start, tmp_path):
    process = start("input()" + FLOOD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    process.stderr.close()
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    assert (tmp_path / "done").exists()


def test_a_terminal_that_was_closed_stops_nothing(start, tmp_path):
    ours, theirs = os.openpty()
    program = """
with terminal.outlived():
    print("ready", sys.stdout.isatty(), flush=True)
    while not Path("closed").exists():
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
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as it is not under nohup
streams = sys.stdout, sys.stderr
with terminal.outlived():
    print("unfinished, with \\udcff", end="")
assert (sys.stdout, sys.stderr) == streams
print(" then", flush=True)
os.kill(os.getpid(), signal.SIGHUP)
time.sleep(60)
"""
    process = start(program, stdout=subprocess.PIPE, text=True)
    assert process.communicate(timeout=60)[0] == "unfinished, with \\udcff then\n"
    assert process.returncode == -signal.SIGHUP


def test_a_reader_that_comes_back_misses_only_what_had_no_room(monkeypatch):
    monkeypatch.setattr(terminal, "_PIECES", 2)
    with piped() as (outlet, pipe):
        outlet.write("x" * 100_000 + "\n")  # more than a pipe holds
        pieces = outlet.buffer.raw._pieces
        wait_for(lambda: pieces.qsize() == 0)  # the thread has it, and waits
        for line in ("kept", "kept too", "dropped"):
            print(line, file=outlet)
        assert [len(pipe.readline()), pipe.readline(), pipe.readline()] == [100_001, "kept\n", "kept too\n"]
        print("new", file=outlet)
        assert pipe.readline() == "new\n"


def test_a_pipe_that_others_made_non_blocking_loses_nothing():
    with piped() as (outlet, pipe):
        os.set_blocking(outlet.fileno(), False)
        print("x" * 1_000_000, file=outlet)
        assert len(pipe.readline()) == 1_000_001


def test_streams_without_a_descriptor_stay_as_they_are(monkeypatch):
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stdout", stream)
        with terminal.outlived():
            assert sys.stdout is stream


@contextlib.contextmanager
def piped():
    """Gives what stands in for a stream, and the other end of it."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as pipe, os.fdopen(writer, "w") as stream, terminal._outlet(stream) as outlet:
        yield outlet, pipe


def wait_for(condition):
    while not condition():
        time.sleep(0.01)
