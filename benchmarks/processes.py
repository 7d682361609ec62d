"""Runs each measurement in a process of its own.

So the peak memory of a measurement contains nothing else, and a measurement that fails does not end the others.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ugatit_tf.errors import RunError

ROOT = Path(__file__).parents[1]
_WORKER = Path(__file__).with_name("worker.py")
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # as Python reports SIGKILL, and as a container does
_NO_MEMORY = re.compile(r"out.of.memory|resource.?exhausted|\bOOM\b|\bMemoryError\b|bad_alloc", re.IGNORECASE)
_FIRST_STEP = re.compile(r"Epoch: \[ *0\] \[ *0/")  # the first line that the log prints for a step
_LONGEST = 160  # the most characters of a reason


class MeasurementError(RunError):
    """A measurement has no result; the message is the reason."""


def measure(specification: Mapping[str, Any], *, root: Path = ROOT, limit: float | None = None) -> dict[str, Any]:
    """Runs `benchmarks/worker.py`, and returns the figures that it measures.

    Args:
        specification: the arguments of the worker's `measure`.
        root: the checkout whose package is measured.
        limit: the most seconds that the worker may take; None means no limit.

    Raises:
        MeasurementError: The worker does not finish, for any reason.
    """
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    output = run([sys.executable, str(_WORKER), json.dumps(specification)], {"PYTHONPATH": path}, limit)
    result = json.loads(output.splitlines()[-1])
    if "error" in result:
        raise MeasurementError(_reason(result["error"]))
    return result


def run(command: Sequence[str], environment: Mapping[str, str], limit: float | None = None) -> str:
    """Runs a command, and returns its output.

    Args:
        command: the program and its arguments.
        environment: environment variables, in addition to those of this process.
        limit: the most seconds that the command may take; None means no limit.

    Raises:
        MeasurementError: The command takes longer, is killed, crashes, or its exit code is not 0.
    """
    with _process(command, env={**os.environ, **environment}, stderr=subprocess.PIPE) as process:
        try:
            output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise MeasurementError(f"not done after {limit:.0f} s") from None
    if process.returncode in _KILLED:
        raise MeasurementError("killed, as the system does where memory runs out")
    if process.returncode:
        how = f"exit code {process.returncode}" if process.returncode > 0 else signal.Signals(-process.returncode).name
        raise MeasurementError(f"{how}: {_reason(errors) or 'without a word'}")
    return output


def seconds_to_first_step(root: Path = ROOT) -> float:
    """Returns the seconds from the start of the command that trains the demo preset to the end of its first step.

    Args:
        root: the checkout whose `main.py` runs, in an empty folder.

    Raises:
        MeasurementError: The command ends before its first step.
    """
    command = [sys.executable, str(root / "main.py"), "--preset", "demo", "--phase", "train"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with _process(command, cwd=folder, stderr=subprocess.STDOUT) as process:
            output = []
            for line in process.stdout:
                if _FIRST_STEP.match(line):
                    return time.perf_counter() - start
                output.append(line)
    raise MeasurementError(_reason("".join(output)))


@contextlib.contextmanager
def _process(command: Sequence[str], **kwargs: Any) -> Iterator[subprocess.Popen]:
    """Yields a process with a pipe for its output. At the end of the block, it kills the process and its children."""
    kwargs |= {"stdout": subprocess.PIPE, "text": True, "errors": "replace", "start_new_session": True}
    with subprocess.Popen(command, **kwargs) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _reason(text: str) -> str:
    """Returns in one line why a process failed: that memory ran out, or else the last line that it printed."""
    if _NO_MEMORY.search(text):
        return "out of memory"
    last = " ".join(text.strip().rpartition("\n")[2].split())
    return last if len(last) <= _LONGEST else f"{last[: _LONGEST - 1]}…"
