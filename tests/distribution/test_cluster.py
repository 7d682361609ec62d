import json
import subprocess
import sys
from pathlib import Path

import pytest

from ugatit_tf.distribution import cluster
from ugatit_tf.errors import UsageError

ROOT = Path(__file__).parents[2]
TWO = ["one:1", "two:2"]


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("TF_CONFIG", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)


def describe(monkeypatch, jobs, kind="worker", index=0):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}}))


def test_workers_come_from_tf_config(monkeypatch):
    describe(monkeypatch, {"worker": TWO}, index=1)
    found = cluster.resolve()
    assert (found.addresses, found.index, found.is_chief) == (("one:1", "two:2"), 1, False)
    assert found.name(0) == "worker 0 of 2 at one:1"


def test_a_chief_is_the_first_worker(monkeypatch):
    describe(monkeypatch, {"worker": TWO, "chief": ["three:3"]}, kind="worker", index=1)
    assert cluster.resolve().addresses == ("three:3", "one:1", "two:2")
    assert cluster.resolve().index == 2
    describe(monkeypatch, {"worker": TWO, "chief": ["three:3"]}, kind="chief")
    assert cluster.resolve().is_chief


def test_a_missing_tf_config_is_shown(monkeypatch):
    with pytest.raises(UsageError, match=r'TF_CONFIG is not set\. On the first of two machines: \{"cluster"'):
        cluster.resolve()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "it is not JSON of the form"),
        ("[]", "it is not JSON of the form"),
        ('{"cluster": {"worker": ["a:1"]}}', "it is not JSON of the form"),
        ('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "'a' is not HOST:PORT"),
        (
            '{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}',
            "two workers have the same address",
        ),
        (
            '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
            "it has no worker 1: it names 1 of them, counted from 0",
        ),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}', "it has no chief 0"),
        (
            '{"cluster": {"ps": ["b:1"], "worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
            "it names jobs other than chief and worker: ps",
        ),
        ('{"cluster": {"chief": ["b:1", "a:1"]}, "task": {"type": "chief", "index": 0}}', "there can be one chief"),
    ],
)
def test_a_wrong_tf_config_is_told_beside_a_right_one(monkeypatch, text, problem):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError) as error:
        cluster.resolve()
    assert str(error.value).startswith(f"TF_CONFIG: {problem}")
    assert cluster._EXAMPLE in str(error.value)
    assert "\n" not in str(error.value)


def test_the_example_is_right(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", cluster._EXAMPLE)
    assert cluster.resolve().is_chief


def test_several_workers_are_noticed(monkeypatch):
    assert not cluster.names_several()
    monkeypatch.setenv("TF_CONFIG", "nonsense")
    assert not cluster.names_several()
    describe(monkeypatch, {"worker": ["a:1"]})
    assert not cluster.names_several()
    describe(monkeypatch, {"worker": TWO})
    assert cluster.names_several()


def test_workers_come_from_slurm(monkeypatch):
    variables = {"PROCID": "2", "STEP_NUM_TASKS": "3", "STEP_NODELIST": "gpu[07-09]", "STEP_TASKS_PER_NODE": "1(x3)"}
    for name, value in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    found = cluster.resolve()
    assert found.addresses == ("gpu07:8888", "gpu08:8888", "gpu09:8888")
    assert found.index == 2
    monkeypatch.delenv("SLURM_STEP_NODELIST")
    monkeypatch.delenv("SLURM_NODELIST", raising=False)
    with pytest.raises(UsageError, match="Slurm's variables do not tell the workers"):
        cluster.resolve()


def test_a_process_leaves_at_once_with_what_it_has_printed():
    # What runs at a process's end would change the exit code, and never comes to its end.
    program = (
        "import atexit, threading; from ugatit_tf.distribution import cluster; atexit.register(exit, 3);"
        "threading.Thread(target=threading.Event().wait).start(); print('last line'); cluster.leave()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout) == (0, "last line\n"), done.stderr
