"""This process's share of the machine: its cores and its memory, how malloc uses it, and the number types of the CPU.

A container or a batch job often gets two cores of 64. A program that starts 64 threads there, or fills the machine's
memory, is slowed down or killed. So cores and memory are those that CPU affinity and control groups leave the process.
"""

import contextlib
import ctypes
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUPS, _MEMBERSHIP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_V1_MEMORY = ("memory.limit_in_bytes", "memory.usage_in_bytes")
_V2_MEMORY = ("memory.max", "memory.current")

# Numbers of mallopt's parameters, from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8

_CPUINFO = Path("/proc/cpuinfo")
# The Linux names of the instructions with which oneDNN multiplies in each type, on x86 and then on Arm.
_INSTRUCTIONS = {
    "bfloat16": {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16", "svebf16"},
    "float16": {"avx512_fp16", "amx_fp16", "avx_ne_convert", "asimdhp", "fphp"},
}


def cores() -> int:
    """Returns the cores that this process may use: those of its affinity, or fewer by its control groups' quota."""
    process = psutil.Process()
    allowed = len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1  # not on macOS
    return min([allowed, *map(math.ceil, _quotas())])


def available_memory() -> int:
    """Returns the bytes that the machine, and this process's control groups, still have for it."""
    return min([psutil.virtual_memory().available, *_left_in_groups()])


def use_two_arenas() -> None:
    """Makes all threads share two arenas of malloc, so that less memory lies idle; to be called before other threads.

    With one arena, the two operations that a training runs at a time would wait for each other at each tensor.
    """
    _set_malloc(_ARENA_MAX, 2)


def keep_freed_memory() -> None:
    """Makes malloc keep the memory of freed tensors for new ones: mapping new pages takes as long as filling them.

    The process may then hold more than it needs at any one time.
    """
    _set_malloc(_MMAP_MAX, 0)
    _set_malloc(_TRIM_THRESHOLD, 2**31 - 1)


def _set_malloc(parameter: int, value: int) -> None:
    """Sets a parameter of glibc's malloc, which gives TensorFlow's tensors their memory; another malloc has none."""
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(parameter, value)


def processor_lacks(dtype: str) -> bool:
    """Returns whether the processor is known to lack instructions for a type; False if that is unknown.

    Args:
        dtype: "float32", "bfloat16" or "float16".
    """
    try:
        lines = _CPUINFO.read_text(encoding="utf-8").splitlines()
    except OSError:  # only Linux has this file
        return False
    features = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return dtype in _INSTRUCTIONS and bool(features) and not _INSTRUCTIONS[dtype] & set(features.split())


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
