"""Settings of glibc's allocator, which TensorFlow takes its tensors' memory from; nothing happens with another one."""

import ctypes
import sys

# Of mallopt, in malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_MOST = 2**31 - 1


def one_region() -> None:
    """Has one region for all threads, so that less lies idle; to be called before there are any."""
    _set(_ARENA_MAX, 1)


def keep_freed() -> None:
    """Keeps large tensors' memory for the next ones: to get it anew takes the system about as long as to fill it.

    A process may then take more than it needs at once.
    """
    _set(_MMAP_MAX, 0)
    _set(_TRIM_THRESHOLD, _MOST)


def _set(option: int, value: int) -> None:
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(option, value)
