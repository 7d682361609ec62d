"""The channel between a cluster's workers: they begin together, and all end if one of them is lost.

Each worker keeps a connection to the chief, over which both send a sign of life every few seconds. The connection uses
the chief's port of the cluster, before TensorFlow listens on it. A message is a JSON object on a line.

TensorFlow 2.21 also sees that a worker is lost. Without this channel's watch, a reduction of the other worker failed
0.2 s after a worker was killed, and 7 to 9 s after one was stopped by SIGSTOP. That alone is not enough: the error does
not tell users who is lost, a worker that waits outside of a reduction gets none, and a pause of over 10 s ends the
training. So this channel decides, and TensorFlow waits for longer (`strategy.open_strategy`).

The end is a goodbye that nobody can miss. A worker that has done its last step says "done" and waits. The chief says
"done" only when it has saved and has heard it from all others, so it releases all of them together. Until a process
leaves, it goes on to say that it is alive: the chief may score and save for minutes while the others wait. The others
close their connections first, so that no message is lost in one that the chief closes.
"""

import contextlib
import json
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

import tensorflow as tf

from ugatit_tf.distribution.cluster import Cluster
from ugatit_tf.errors import RunError, UserError

_log = logging.getLogger(__name__)

Facts = Mapping[str, str]

_BEAT = 5.0  # seconds between two signs of life
PATIENCE = 40.0  # seconds without one, after which a worker counts as lost
_HANDSHAKE = 5.0  # seconds within which a new connection has to name its worker
_LONGEST = 2**24  # bytes in a message

# TensorFlow may raise these in a worker before the channel notices that another worker is lost.
_ERRORS_OF_LOST_WORKERS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.InternalError,
)


class _Peer:
    """One end of a connection to another worker."""

    def __init__(self, connection: socket.socket, index: int) -> None:
        self.index = index
        self.finished = threading.Event()  # the other end has said "done"
        self.closed = threading.Event()  # nothing more comes from it
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._sending = threading.Lock()

    def send(self, **message: Any) -> None:
        with self._sending, contextlib.suppress(OSError):  # the thread that receives notices a lost worker
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, timeout: float) -> dict[str, Any] | None:
        """Returns the next message; None if the other end is gone. Raises a TimeoutError."""
        self._connection.settimeout(timeout)
        with contextlib.suppress(ConnectionError, ValueError):
            line = self._lines.readline(_LONGEST)
            message = json.loads(line) if line else None
            return message if isinstance(message, dict) else None
        return None

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Channel:
    """A context in which all workers of a cluster are connected, and train the same run.

    Entering it waits for all workers. `say_goodbye`, the last call in it, waits until all are done. In between, if a
    worker is lost, the process ends at once, with exit code 1 and a line that names the worker. Leaving the context by
    an error sends the error to the others.

    Args:
        cluster: the workers.
        facts: values that must be equal on all workers, by the name that error messages use.
        wait: seconds to wait for the others.
    """

    def __init__(self, cluster: Cluster, facts: Facts, wait: float) -> None:
        self._cluster = cluster
        self._facts = dict(facts)
        self._deadline = time.monotonic() + wait
        self._too_late = f"within {wait:g} s (--wait)"
        self._peers: list[_Peer] = []
        self._left = threading.Event()

    def __enter__(self) -> Self:
        """Raises a RunError if a worker does not come in time, or differs from the chief."""
        self._peers = self._gather() if self._cluster.is_chief else [self._join()]
        for peer in self._peers:
            for run in (self._beat, self._listen):
                threading.Thread(target=run, args=(peer,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if isinstance(error, _ERRORS_OF_LOST_WORKERS):
            time.sleep(PATIENCE + 2 * _BEAT)  # if a worker is lost, `_listen` ends the process meanwhile
        for peer in self._peers if error else ():
            peer.send(failed=str(error) if isinstance(error, UserError) else type(error).__name__)
        self._left.set()
        for peer in self._peers:
            peer.close()

    def say_goodbye(self) -> None:
        """Waits until all workers are done. The chief hears it from each, then says it to all."""
        if not self._cluster.is_chief:
            self._peers[0].send(done=True)
            self._peers[0].finished.wait()
            return
        for peer in self._peers:
            peer.finished.wait()
        for peer in self._peers:
            peer.send(done=True)
        for peer in self._peers:
            peer.closed.wait(PATIENCE)

    def _gather(self) -> list[_Peer]:
        """Waits for all other workers, as the chief, and lets them begin."""
        name, port = self._cluster.addresses[0].rsplit(":", 1)
        try:
            server = socket.create_server(("", int(port)))
        except OSError as error:
            raise RunError(f"Cannot listen on port {port}, the chief's of {name}:{port}: {error.strerror}.") from error
        peers: dict[int, _Peer] = {}
        with server:
            server.settimeout(1.0)
            self._log_missing(peers)
            while missing := [i for i in range(1, len(self._cluster.addresses)) if i not in peers]:
                if time.monotonic() > self._deadline:
                    self._refuse(peers, f"{self._cluster.name(missing[0])} did not come {self._too_late}")
                with contextlib.suppress(TimeoutError):
                    peer = self._accept(server.accept()[0], peers)
                    if peer:
                        peers[peer.index] = peer
                        self._log_missing(peers)
        for peer in peers.values():
            peer.send(go=True)
        return list(peers.values())

    def _log_missing(self, peers: Mapping[int, _Peer]) -> None:
        for index in range(1, len(self._cluster.addresses)):
            if index not in peers:
                _log.info("Waiting for %s.", self._cluster.name(index))

    def _accept(self, connection: socket.socket, peers: Mapping[int, _Peer]) -> _Peer | None:
        """Returns the worker that has connected; None for any other program."""
        peer = _Peer(connection, 0)
        with contextlib.suppress(TimeoutError, KeyError, TypeError, ValueError):
            hello = peer.receive(_HANDSHAKE) or {}
            peer.index, facts = int(hello["worker"]), dict(hello["facts"])
            if 0 < peer.index < len(self._cluster.addresses):
                if difference := self._find_difference(peer.index, facts):
                    self._refuse({**peers, peer.index: peer}, difference)
                if peer.index in peers:  # the earlier process of this worker was killed while it waited
                    peers[peer.index].close()
                return peer
        peer.close()
        return None

    def _find_difference(self, index: int, facts: Facts) -> str | None:
        for name in self._facts | facts:
            here, there = self._facts.get(name), facts.get(name)
            if here != there:
                return f"{self._cluster.name(index)} differs from the chief: {name} is {there} there, {here} here"
        return None

    def _refuse(self, peers: Mapping[int, _Peer], why: str) -> NoReturn:
        for peer in peers.values():
            peer.send(refused=why)
            peer.close()
        raise RunError(f"The training cannot begin: {why}.")

    def _join(self) -> _Peer:
        """Connects to the chief, as another worker, and waits until the chief lets it begin."""
        chief = self._cluster.name(0)
        host, port = self._cluster.addresses[0].rsplit(":", 1)
        _log.info("Waiting for the chief, %s.", chief)
        while (left := self._deadline - time.monotonic()) > 0:
            try:
                peer = _Peer(socket.create_connection((host, int(port)), timeout=min(left, _HANDSHAKE)), 0)
                peer.send(worker=self._cluster.index, facts=self._facts)
                answer = peer.receive(max(self._deadline - time.monotonic() + _HANDSHAKE, _HANDSHAKE)) or {}
            except OSError:  # includes TimeoutError: the chief does not listen yet
                answer = {}
            if "refused" in answer:
                raise RunError(f"The training cannot begin: {answer['refused']}.")
            if "go" in answer:
                return peer
            time.sleep(min(1.0, max(left, 0.0)))
        raise RunError(f"The training cannot begin: the chief, {chief}, did not answer {self._too_late}.")

    def _beat(self, peer: _Peer) -> None:
        """Sends signs of life, also after the other end is done, because it then waits for this one."""
        while not self._left.wait(_BEAT):
            peer.send()

    def _listen(self, peer: _Peer) -> None:
        """Receives the messages of another worker; ends this process if the worker is lost before it is done."""
        try:
            while (message := peer.receive(PATIENCE)) is not None:
                if "done" in message:
                    peer.finished.set()
                if "lost" in message:  # the chief has lost another worker
                    self._end(message["lost"])
                if "failed" in message:
                    self._end(f"{self._cluster.name(peer.index)} has stopped: {message['failed']}")
            why = "has ended, or its connection has"
        except TimeoutError:
            why = f"has not answered for {PATIENCE:g} s"
        except OSError:  # this process has closed the connection, because it leaves
            return
        finally:
            peer.closed.set()
        if not (peer.finished.is_set() or self._left.is_set()):
            self._end(f"{self._cluster.name(peer.index)} {why}; the same commands go on from the last checkpoint.")

    def _end(self, why: str) -> NoReturn:
        """Ends the process at once, because its main thread may wait in TensorFlow forever."""
        for peer in self._peers:
            if self._cluster.is_chief:
                peer.send(lost=why)
        with contextlib.suppress(OSError):  # the terminal may be gone
            os.write(2, f"{Path(sys.argv[0]).name}: {why}\n".encode())  # unbuffered: a buffered text would be lost
        os._exit(1)
