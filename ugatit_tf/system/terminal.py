"""The terminal, or the pipe, that a training writes to: it may close or stop reading, and the training goes on."""

import contextlib
import io
import os
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import TextIO

_PIECES = 10_000
_PATIENCE = 2.0  # seconds


@contextlib.contextmanager
def outlived() -> Iterator[None]:
    """A context in which the terminal's hanging up is ignored, and `sys.stdout` and `sys.stderr` are `Outlet`s.

    In the end it waits for what is still to be written, but not for a reader that has stopped reading. Only for the
    main thread.
    """
    handler = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = outlets = [Outlet(stream) if _has_descriptor(stream) else stream for stream in streams]
    try:
        yield
    finally:
        for outlet in outlets:
            if isinstance(outlet, Outlet):
                outlet.drain()
        sys.stdout, sys.stderr = streams
        signal.signal(signal.SIGHUP, handler)


class Outlet(io.TextIOBase):
    """A stream that neither waits nor raises: a thread writes, and what cannot be written is dropped.

    Args:
        stream: what it stands in for; goes on to hold the descriptor.
        pieces: lines, or flushed parts of lines, that may wait to be written.
    """

    def __init__(self, stream: TextIO, pieces: int = _PIECES) -> None:
        with contextlib.suppress(OSError):
            stream.flush()
        self._stream = stream
        # Not through the stream: its lock, held by a thread that never returns, would keep the process from ending.
        self._descriptor = stream.fileno()
        self._pieces: queue.Queue[str] = queue.Queue(pieces)
        self._piece = ""
        self._dropped = 0
        self._lock = threading.RLock()
        threading.Thread(target=self._write_on, daemon=True).start()

    @property
    def encoding(self) -> str:
        return self._stream.encoding

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._descriptor

    def write(self, text: str) -> int:
        with self._lock:
            self._piece += text
            if "\n" in text:
                self.flush()
        return len(text)

    def flush(self) -> None:
        with self._lock:
            piece, self._piece = self._piece, ""
            if not piece:
                return
            note = f"[{self._dropped} lines not shown: nothing read them]\n" if self._dropped else ""
            try:
                self._pieces.put_nowait(note + piece)
                self._dropped = 0
            except queue.Full:
                self._dropped += 1

    def drain(self) -> None:
        """Waits until all is written, or until for some time nothing could be written."""
        self.flush()
        left, since = self._pieces.unfinished_tasks, time.monotonic()
        while left and time.monotonic() - since < _PATIENCE:
            time.sleep(0.01)
            if self._pieces.unfinished_tasks < left:
                left, since = self._pieces.unfinished_tasks, time.monotonic()

    def _write_on(self) -> None:
        while True:
            data = self._pieces.get().encode(self.encoding, "backslashreplace")
            with contextlib.suppress(OSError):  # a closed pipe, a terminal that is gone, a full disk
                while data:
                    try:
                        data = data[os.write(self._descriptor, data) :]
                    except BlockingIOError:  # who shares the pipe may have made it so
                        select.select([], [self._descriptor], [])
            self._pieces.task_done()


def _has_descriptor(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.fileno() >= 0
    except OSError:  # a test's or a notebook's own
        return False
