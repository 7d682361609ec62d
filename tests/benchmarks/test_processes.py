import os
import signal
import sys
import time

import psutil
import pytest

from benchmarks import processes
from benchmarks.processes import MeasurementError

ABORT = "import os; print('terminate called: std::bad_alloc', file=sys.stderr, flush=True); os.abort()"


def python(program):
    return [sys.executable, "-c", f"import sys, time; {program}"]


def test_a_command_sees_its_environment():
    assert processes.run(python("import os; print(os.environ['SOME'])"), {"SOME": "7"}) == "7\n"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("raise ValueError('no such thing')", "exit code 1: ValueError: no such thing"),
        ("raise MemoryError", "exit code 1: out of memory"),
        ("sys.exit(137)", "killed, as the system does where memory runs out"),
        ("import os; os.kill(os.getpid(), 9)", "killed, as the system does where memory runs out"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV: without a word"),
        (ABORT, "SIGABRT: out of memory"),
        ("sys.exit('x' * 200)", f"exit code 1: {'x' * 159}…"),
    ],
)
def test_a_command_that_fails_says_why(program, reason):
    with pytest.raises(MeasurementError) as failure:
        processes.run(python(program), {})
    assert str(failure.value) == reason


def test_one_that_hangs_is_ended_with_all_that_it_has_started(tmp_path):
    program = f"""
import os, pathlib, subprocess
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path({str(tmp_path / "pids")!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
time.sleep(600)"""
    with pytest.raises(MeasurementError, match="^not done after 5 s$"):
        processes.run([sys.executable, "-c", f"import sys, time\n{program}"], {}, limit=5)
    wait_for_the_end_of((tmp_path / "pids").read_text())


def wait_for_the_end_of(pids):
    """Returns when there are no such processes, or but dead ones that nobody has asked for."""
    for pid in map(int, pids.split()):
        for _ in range(600):
            if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"{pid} is still there")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("ResourceExhaustedError: OOM when allocating tensor", "out of memory"),
        ("InternalError: CUDA_ERROR_OUT_OF_MEMORY: out of memory", "out of memory"),
        ("InvalidArgumentError: XLA cannot", "InvalidArgumentError: XLA cannot"),
    ],
)
def test_an_error_that_the_worker_has_caught_is_the_reason(answer, reason, tmp_path, monkeypatch):
    worker = tmp_path / "worker.py"
    worker.write_text(f"import json\nprint('a word before')\nprint(json.dumps({{'error': {answer!r}}}))\n")
    monkeypatch.setattr(processes, "_WORKER", worker)
    with pytest.raises(MeasurementError) as failure:
        processes.measure({})
    assert str(failure.value) == reason


def test_the_worker_gets_its_specification_and_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "where.py").write_text("")
    worker = tmp_path / "programs" / "worker.py"
    worker.parent.mkdir()
    worker.write_text("import json, sys, where\nprint(json.dumps([sys.argv[1], where.__file__]))\n")
    monkeypatch.setattr(processes, "_WORKER", worker)
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert processes.measure({"repeats": 3}, root=tmp_path) == ['{"repeats": 3}', str(tmp_path / "where.py")]


def test_the_first_step_is_seen_in_the_log(tmp_path):
    (tmp_path / "main.py").write_text(f"""
import os, pathlib, sys, time
pathlib.Path({str(tmp_path / "pid")!r}).write_text(f"{{os.getpid()}}")
pathlib.Path({str(tmp_path / "call")!r}).write_text(f"{{sys.argv[1:]}} {{os.listdir()}}")
print("Device: CPU")
time.sleep(0.3)
print("Epoch: [ 0] [    0/  250] time: 1.0 d_loss: 1.0, g_loss: 2.0", flush=True)
time.sleep(600)
""")
    assert 0.3 < processes.seconds_to_first_step(tmp_path) < 300
    assert (tmp_path / "call").read_text() == "['--preset', 'demo', '--phase', 'train'] []"
    wait_for_the_end_of((tmp_path / "pid").read_text())


def test_a_first_step_that_never_comes_is_a_failure(tmp_path):
    (tmp_path / "main.py").write_text("import sys; print('Device: CPU'); sys.exit('No room.')")
    with pytest.raises(MeasurementError, match="^No room.$"):
        processes.seconds_to_first_step(tmp_path)


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, also in a test run in a shell's background, which ignores it."""
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, earlier)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_ends_what_is_measured(tmp_path):
    program = f"import os, pathlib; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))"
    interrupt = f"os.kill({os.getpid()}, {int(signal.SIGINT)})"
    with pytest.raises(KeyboardInterrupt):
        processes.run(python(f"{program}; {interrupt}; time.sleep(600)"), {})
    wait_for_the_end_of((tmp_path / "pid").read_text())
