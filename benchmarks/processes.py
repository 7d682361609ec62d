"""Measurements in processes of their own: their peak memory is theirs alone, and one that fails ends nothing else."""

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
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)  # here, and in a container
_NO_MEMORY = re.compile(r"out.of.memory|resource.?exhausted|\bOOM\b|\bMemoryError\b|bad_alloc", re.IGNORECASE)
_FIRST_STEP = re.compile(r"Epoch: \[ *0\] \[ *0/")  # the log's first line of a step
_LONGEST = 160  # characters of a reason


class MeasurementError(RunError):
    """A measurement without a result; the message is the reason."""


def measure(specification: Mapping[str, Any], *, root: Path = ROOT, limit: float | None = None) -> dict[str, Any]:
    """What `benchmarks/worker.py` measures.

    Args:
        specification: arguments of its `measure`.
        root: the checkout whose package is measured.
        limit: seconds that it may take; None: any.

    Raises:
        MeasurementError: where it does not come to an end, whatever the reason.
    """
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    output = run([sys.executable, str(_WORKER), json.dumps(specification)], {"PYTHONPATH": path}, limit)
    result = json.loads(output.splitlines()[-1])
    if "error" in result:
        raise MeasurementError(_reason(result["error"]))
    return result


def run(command: Sequence[str], environment: Mapping[str, str], limit: float | None = None) -> str:
    """A command's output.

    Args:
        command: program and arguments.
        environment: variables beside those of this process.
        limit: seconds that it may take; None: any.

    Raises:
        MeasurementError: where it takes longer, is killed, crashes or exits with another code than 0.
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
    """Seconds from the start of the command that trains the demo preset to the end of its first step.

    Args:
        root: the checkout whose `main.py` is run, in an empty folder.

    Raises:
        MeasurementError: where it ends before.
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
    """A process that is gone when the block ends, and all that it has started with it; its output is a pipe."""
    kwargs |= {"stdout": subprocess.PIPE, "text": True, "errors": "replace", "start_new_session": True}
    with subprocess.Popen(command, **kwargs) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _reason(text: str) -> str:
    """Why something failed, in one line, by what it has printed: its last line, unless memory ran out."""
    if _NO_MEMORY.search(text):
        return "out of memory"
    last = " ".join(text.strip().rpartition("\n")[2].split())
    return last if len(last) <= _LONGEST else f"{last[: _LONGEST - 1]}…"
