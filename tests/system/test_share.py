import os

import psutil
import pytest

from ugatit_tf.system import share


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes files of control groups, and the list of those that this process is in."""
    monkeypatch.setattr(share, "_CGROUPS", tmp_path)
    monkeypatch.setattr(share, "_MEMBERSHIP", tmp_path / "membership")

    def write(membership, files):
        (tmp_path / "membership").write_text(membership)
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")

    return write


@pytest.fixture
def allowed(monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: range(16), raising=False)


def memory_files(group, limit, used, stat, names=("memory.max", "memory.current")):
    return {f"{group}/{name}": text for name, text in zip((*names, "memory.stat"), (limit, used, stat), strict=True)}


def test_limits_of_memory_count_also_those_further_up(groups):
    inner = memory_files("a/b", "max", 10, "anon 5")
    groups("0::/a/b\n", inner | memory_files("a", 1000, 300, "anon 200\ninactive_file 100"))
    assert share.available_memory() == 800


def test_limits_of_the_older_control_groups_count(groups):
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    files = memory_files("memory/x", 500, 100, "inactive_file 1\ntotal_inactive_file 50", names)
    groups("5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n", files)
    assert share.available_memory() == 450


def test_without_control_groups_the_memory_is_the_machines(groups):
    assert 0 < share.available_memory() <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("quotas", "cores"),
    [
        ({}, 16),
        ({"a/cpu.max": "max 100000"}, 16),
        ({"a/cpu.max": "200000 100000"}, 2),
        ({"a/cpu.max": "250000 100000"}, 3),
        ({"a/b/cpu.max": "400000 100000", "a/cpu.max": "50000 100000"}, 1),
        ({"a/cpu.max": "6400000 100000"}, 16),
    ],
)
def test_cores_are_those_of_the_affinity_and_the_quota(groups, allowed, quotas, cores):
    groups("0::/a/b\n", quotas)
    assert share.cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [(-1, 16), (300000, 3)])
def test_the_quota_of_the_older_control_groups_counts(groups, allowed, quota, cores):
    folder = "cpu,cpuacct/x"
    groups("4:cpu,cpuacct:/x\n", {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": 100000})
    assert share.cores() == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to cores")
def test_a_pinned_process_has_the_cores_that_it_is_pinned_to(groups):
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert share.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
