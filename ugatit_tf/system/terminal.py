"""Output whose reader, a terminal or a pipe, may close or stall: that stops no training, and is no error elsewhere."""

import contextlib
import io
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

_PIECES = 10_000  # lines, or flushed parts of lines, that may wait for their reader
_PATIENCE = 2.0  # seconds


@contextlib.contextmanager
def may_be_cut_off() -> Iterator[None]:
    """A context that the process leaves without a word where the reader of `sys.stdout` has enough, as `head` has.

    Raises:
        SystemExit: then, with the code of a program that SIGPIPE stopped.
    """
    try:
        try:
            yield
        finally:
            print(end="", flush=True)  # not sys.stdout.flush(): that may be None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python flushes at its exit
        sys.exit(128 + signal.SIGPIPE)


@contextlib.contextmanager
def outlived() -> Iterator[None]:
    """A context in which SIGHUP is ignored, and writing to `sys.stdout` and `sys.stderr` neither waits nor raises.

    What a stalled reader leaves no room for is dropped. In the end a reader has some seconds to take what is still to
    be written. Only for the main thread.
    """
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with (
            _outlet(sys.stdout) as stdout,
            _outlet(sys.stderr) as stderr,
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            yield
    finally:
        signal.signal(signal.SIGHUP, handler)


@contextlib.contextmanager
def _outlet(stream: TextIO | None) -> Iterator[TextIO | None]:
    """A stream in place of another; of one without a descriptor, a test's or a notebook's, that stream itself."""
    try:
        descriptor = os.dup(stream.fileno())  # what goes for the original, as a redirection, is not for this one
    except (AttributeError, OSError):
        descriptor = None
    if descriptor is None:
        yield stream
        return
    with contextlib.suppress(OSError):
        stream.flush()
    queued = _Queued(descriptor)
    text = io.TextIOWrapper(io.BufferedWriter(queued), stream.encoding, "backslashreplace", line_buffering=True)
    try:
        yield text
    finally:
        text.flush()
        queued.drain()


class _Queued(io.RawIOBase):
    """A raw stream that a thread of its own writes to a descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._pieces: queue.Queue[bytes] = queue.Queue(_PIECES)
        threading.Thread(target=self._write_on, daemon=True).start()

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: memoryview) -> int:
        with contextlib.suppress(queue.Full):
            self._pieces.put_nowait(bytes(data))
        return len(data)

    def drain(self) -> None:
        """Waits until all is written, but not for long."""
        with self._pieces.all_tasks_done:
            self._pieces.all_tasks_done.wait_for(lambda: not self._pieces.unfinished_tasks, _PATIENCE)

    def _write_on(self) -> None:
        while True:
            data = self._pieces.get()
            with contextlib.suppress(OSError):  # a closed pipe, a terminal that is gone, a full disk
                while data:
                    try:
                        data = data[os.write(self._descriptor, data) :]
                    except BlockingIOError:  # who shares the pipe may have made it so
                        select.select([], [self._descriptor], [])
            self._pieces.task_done()
