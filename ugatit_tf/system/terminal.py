"""Handles a terminal or a pipe that is closed while a command writes to it.

A training goes on without it, and all other commands end silently.
"""

import contextlib
import errno
import io
import os
import sys
import time
from collections.abc import Iterator
from typing import TextIO

_EXIT_CODE_CUT_OFF = 141  # what shells report for a program that SIGPIPE ended


@contextlib.contextmanager
def may_be_cut_off() -> Iterator[None]:
    """Ends the process silently if the reader of `sys.stdout`, such as `head`, closes the pipe.

    In this context, a character that the console lacks is printed as its number: a Windows console may have only a few
    hundred characters, and file names may have any.

    Raises:
        SystemExit: The pipe is closed. The exit code is that of a program that SIGPIPE ended.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            print(end="", flush=True)  # not sys.stdout.flush(): that may be None
    except OSError as error:
        # Windows reports EINVAL for a closed pipe.
        if not isinstance(error, BrokenPipeError) and (error.errno != errno.EINVAL or error.filename is not None):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes stdout at its exit
        sys.exit(_EXIT_CODE_CUT_OFF)


@contextlib.contextmanager
def outlived() -> Iterator[None]:
    """Drops text that cannot be written to `sys.stdout` and `sys.stderr`, so that writing never raises an error."""
    with (
        contextlib.redirect_stdout(_lasting(sys.stdout)),
        contextlib.redirect_stderr(_lasting(sys.stderr)),
    ):
        yield
        print(end="", flush=True)


def _lasting(stream: TextIO | None) -> TextIO | None:
    """Returns a stream that drops text; a stream without a descriptor, as in a notebook, is returned itself."""
    try:
        descriptor = os.dup(stream.fileno())  # a later redirection of the original does not affect the copy
    except (AttributeError, OSError):
        return stream
    with contextlib.suppress(OSError):
        stream.flush()
    raw = io.BufferedWriter(_Lasting(descriptor, "w"))
    return io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=True)


class _Lasting(io.FileIO):
    """A file that treats data as written if it cannot write it."""

    def write(self, data: bytes) -> int:
        try:
            while (written := super().write(data)) is None:
                time.sleep(0.05)  # another program has made the pipe non-blocking, and it is full
        except OSError:  # a closed pipe, a terminal that is gone, a full disk
            return len(data)
        return written
