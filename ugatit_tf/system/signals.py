"""Turns Ctrl-C, SIGTERM and a closed terminal into a request to stop after the current step."""

import contextlib
import os
import signal
import socket
import threading
from types import TracebackType
from typing import ClassVar, Self

_EXIT_CODE_INTERRUPTED = 130  # what shells report for a program that Ctrl-C ended


class StopRequest:
    """A context in which Ctrl-C and SIGTERM request a stop; a second Ctrl-C ends the process at once.

    A terminal that closes also requests a stop (SIGHUP, on Windows SIGBREAK), except under `nohup`, which makes the
    process ignore that signal.

    Python runs signal handlers only between bytecodes, and a training step in C++ can take many seconds. So a thread
    reads the interpreter's wake-up descriptor, to which each signal is written at once.

    A context within another one shares that one's request.
    """

    _outermost: "ClassVar[StopRequest | None]" = None  # signals belong to the process

    # Each system has only some of these.
    _SIGNALS = tuple(
        getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
    )

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def requested(self) -> bool:
        """Whether to stop after the current step."""
        return self._event.is_set()

    def __enter__(self) -> Self:
        if StopRequest._outermost:
            self._event = StopRequest._outermost._event
            return self
        StopRequest._outermost = self
        self._receiver, self._sender = socket.socketpair()
        self._sender.setblocking(False)
        is_nohup = {number for number in self._SIGNALS[2:] if signal.getsignal(number) == signal.SIG_IGN}
        self._handlers = {
            number: signal.signal(number, lambda *_: None) for number in self._SIGNALS if number not in is_nohup
        }
        self._wakeup = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if StopRequest._outermost is not self:
            return
        StopRequest._outermost = None
        signal.set_wakeup_fd(self._wakeup)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._sender.close()

    def _listen(self) -> None:
        with self._receiver:
            while received := self._receiver.recv(1):
                if received[0] not in self._SIGNALS:
                    continue
                if not self.requested:
                    with contextlib.suppress(OSError):  # the terminal may be gone
                        print("\nFinishing this step, then saving. Ctrl-C again leaves at once, unsaved.", flush=True)
                    self._event.set()  # after the message, so that the loop's messages follow it
                elif received[0] == signal.SIGINT:
                    os._exit(_EXIT_CODE_INTERRUPTED)
