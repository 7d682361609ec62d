"""Sets up glibc's malloc, which gives TensorFlow's tensors their memory. It has no effect on another malloc."""

import ctypes
import sys

# Numbers of mallopt's parameters, from malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_MOST = 2**31 - 1


def use_two_arenas() -> None:
    """Lets all threads share two arenas, so that less memory lies idle; to be called before there are threads.

    With one arena, the two operations that a training runs at a time would wait for each other at each tensor.
    """
    _set(_ARENA_MAX, 2)


def keep_freed() -> None:
    """Keeps the memory of freed large tensors for new ones: mapping new pages takes as long as filling them.

    The process may then hold more than it needs at any one time.
    """
    _set(_MMAP_MAX, 0)
    _set(_TRIM_THRESHOLD, _MOST)


def _set(option: int, value: int) -> None:
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(option, value)
