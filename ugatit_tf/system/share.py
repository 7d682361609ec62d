"""This process's share of the machine: the cores and the memory that its CPU affinity and control groups leave it.

A container or a batch job often gets two cores of 64. A program that starts 64 threads there, or fills the machine's
memory, is slowed down or killed.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUPS, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_V1_MEMORY = ("memory.limit_in_bytes", "memory.usage_in_bytes")
_V2_MEMORY = ("memory.max", "memory.current")


def cores() -> int:
    """Returns the cores that this process may use: those of its affinity, or fewer by its control groups' quota."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1  # not on macOS
    return min([allowed, *map(math.ceil, _quotas())])


def available_memory() -> int:
    """Returns the bytes that the machine, and this process's control groups, still have for it."""
    return min([psutil.virtual_memory().available, *_left_in_groups()])


def _quotas() -> Iterator[float]:
    """Yields the cores that each control group above this process allows it, where there is a limit."""
    for folder, is_v1 in _groups("cpu"):
        with contextlib.suppress(OSError, ValueError):  # ValueError: "max", which stands for no limit
            if is_v1:
                quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
            else:
                quota, period = map(int, (folder / "cpu.max").read_text().split())
            if quota > 0:  # -1 stands for no limit
                yield quota / period


def _left_in_groups() -> Iterator[int]:
    """Yields the bytes that the limit of each control group above this process leaves."""
    for folder, is_v1 in _groups("memory"):
        with contextlib.suppress(OSError, ValueError):  # ValueError: "max", which stands for no limit
            limit, used = (int((folder / name).read_text()) for name in (_V1_MEMORY if is_v1 else _V2_MEMORY))
            yield limit - used + _reclaimable(folder)


def _groups(controller: str) -> Iterator[tuple[Path, bool]]:
    """Yields the folders of this process's control groups up to the root, and whether each is of version 1."""
    with contextlib.suppress(OSError):
        for line in _MEMBERSHIP.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and controller not in controllers.split(","):
                continue
            group = _CGROUPS / controllers / path.strip("/")
            for folder in (group, *group.parents):
                yield folder, bool(controllers)


def _reclaimable(folder: Path) -> int:
    """Returns the bytes of cached files, which the kernel drops as soon as a process needs memory."""
    fields = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return int(fields.get("total_inactive_file", fields.get("inactive_file", 0)))
