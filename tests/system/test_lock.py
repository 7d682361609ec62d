import errno
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.system import lock

ROOT = Path(lock.__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from ugatit_tf.system import lock
with lock.hold(Path(sys.argv[1])):
    print("holding", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start_holder():
    """Starts a process that holds a folder, and kills it in the end."""
    started = []

    def start(folder):
        process = subprocess.Popen([sys.executable, "-c", HOLDER, folder], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "holding\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_run_is_refused_and_told_who_holds_the_folder(tmp_path, start_holder):
    holder = start_holder(tmp_path)
    with pytest.raises(RunError) as error, lock.hold(tmp_path):
        pass
    who = rf"process {holder.pid} on {re.escape(socket.gethostname())} since \d{{4}}-\d\d-\d\d \d\d:\d\d"
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path))} is in use by {who}: .* give another --checkpoint_dir\.", str(error.value)
    )
    assert holder.poll() is None
    with pytest.raises(RunError), lock.hold(tmp_path):  # a refused one has not taken the file away
        pass


def test_a_crash_leaves_no_lock(tmp_path, start_holder):
    holder = start_holder(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with (tmp_path / lock.HOLDER_FILE).open("a") as file:
        file.write("and was longer than the next one\n")
    assert lock.describe(tmp_path) == "not running"
    with lock.hold(tmp_path):
        assert (tmp_path / lock.HOLDER_FILE).read_text().startswith(f"process {os.getpid()} on ")
        assert (tmp_path / lock.HOLDER_FILE).read_text().count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_whether_a_run_holds_the_folder_is_told(tmp_path, start_holder, monkeypatch):
    assert lock.describe(tmp_path) == lock.describe(tmp_path / "no folder") == "not running"
    holder = start_holder(tmp_path)
    assert lock.describe(tmp_path).startswith(f"running: process {holder.pid} on ")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(lock.files, "locked", refuse)  # as another user's folder does
    told = lock.describe(tmp_path)
    assert told.startswith(f"not known, as the lock cannot be tried (Permission denied); perhaps process {holder.pid}")


def test_nothing_is_left_behind(tmp_path):
    with pytest.raises(KeyError), lock.hold(tmp_path / "new" / "run"):
        raise KeyError
    assert not (tmp_path / "new" / "run").exists()
    (tmp_path / "old").mkdir()
    with lock.hold(tmp_path / "old"):
        pass
    assert not list((tmp_path / "old").iterdir())
    with lock.hold(tmp_path / "kept"):
        (tmp_path / "kept" / "x").write_text("")
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["x"]


def test_a_file_that_its_holder_has_just_removed_locks_nothing(tmp_path, monkeypatch):
    flock, calls = fcntl.flock, []

    def removed_meanwhile(descriptor, operation):
        calls.append(operation)
        if len(calls) == 1:
            (tmp_path / lock.LOCK_FILE).unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", removed_meanwhile)
    with lock.hold(tmp_path):
        assert (tmp_path / lock.LOCK_FILE).exists()
    assert calls == [fcntl.LOCK_EX | fcntl.LOCK_NB] * 2 + [fcntl.LOCK_UN]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch, caplog, number):
    def flock(_descriptor, _operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock.hold(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
    assert caplog.messages == [f"Nothing keeps a second run out of {tmp_path}: cannot lock it ({os.strerror(number)})."]


def test_a_full_disk_is_no_reason_to_refuse(tmp_path, full_disk):
    refused = pytest.raises(RunError, match="by another process")
    with full_disk(after=0), lock.hold(tmp_path), refused, lock.hold(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path):
    (tmp_path / lock.LOCK_FILE).mkdir()
    with pytest.raises(RunError, match=r"^cannot write .*\.lock: "), lock.hold(tmp_path):
        pass
