"""Output whose reader, a terminal or a pipe, may go away: that stops no training, and is no error elsewhere."""

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
    """A context that the process leaves without a word where the reader of `sys.stdout` has enough, as `head` has.

    In it, a character that the console lacks is printed as its number: a Windows console may know a few hundred
    characters, and names of files have any.

    Raises:
        SystemExit: the reader has gone; the code is that of a program that SIGPIPE stopped.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            print(end="", flush=True)  # not sys.stdout.flush(): that may be None
    except OSError as error:
        # Windows says EINVAL of a pipe that nobody reads.
        if not isinstance(error, BrokenPipeError) and (error.errno != errno.EINVAL or error.filename is not None):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its exit
        sys.exit(_EXIT_CODE_CUT_OFF)


@contextlib.contextmanager
def outlived() -> Iterator[None]:
    """A context in which writing to `sys.stdout` and `sys.stderr` never raises: text that nobody can get is dropped."""
    with (
        contextlib.redirect_stdout(_lasting(sys.stdout)),
        contextlib.redirect_stderr(_lasting(sys.stderr)),
    ):
        yield
        print(end="", flush=True)


def _lasting(stream: TextIO | None) -> TextIO | None:
    """Returns a stream in place of another; for one without a descriptor, a test's or a notebook's, that one itself."""
    try:
        descriptor = os.dup(stream.fileno())  # a redirection of the original is not for this one
    except (AttributeError, OSError):
        return stream
    with contextlib.suppress(OSError):
        stream.flush()
    raw = io.BufferedWriter(_Lasting(descriptor, "w"))
    return io.TextIOWrapper(raw, stream.encoding, "backslashreplace", line_buffering=True)


class _Lasting(io.FileIO):
    """A descriptor to write to, which takes what it cannot write as written."""

    def write(self, data: bytes) -> int:
        try:
            while (written := super().write(data)) is None:
                time.sleep(0.05)  # another program has made the pipe non-blocking, and it is full
        except OSError:  # a closed pipe, a terminal that is gone, a full disk
            return len(data)
        return written
