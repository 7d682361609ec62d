"""A worker that waits for the others while it is asked to stop. The test itself is the other end of its channel."""

import contextlib
import json
import os
import signal
import socket
import threading
import time

import pytest
import tensorflow as tf

from ugatit_tf.distribution import team
from ugatit_tf.distribution.cluster import Cluster


class Killed(BaseException):
    """In place of the end of a process by a signal."""


@pytest.fixture(autouse=True)
def no_other_process(monkeypatch):
    """A signal that nobody takes raises an error; TensorFlow takes SIGTERM, but does not look for the other process."""

    def killed(number, frame):
        raise Killed

    def open_strategy(name, workers):
        signal.signal(signal.SIGTERM, killed)
        return tf.distribute.get_strategy()

    monkeypatch.setattr(team, "open_strategy", open_strategy)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.parametrize("index", [0, 1])
def test_a_signal_while_it_waits_changes_nothing(index):
    inside = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if index == 0:
            server.close()  # the chief listens there itself
        other = threading.Thread(target=(_worker, _chief)[index], args=(port, server, inside), daemon=True)
        other.start()
        cluster = Cluster((f"127.0.0.1:{port}", "127.0.0.1:1"), index, None)
        with team.opened("multi_worker", cluster, lambda: {"--lr": "0.1"}, 20):
            inside.set()
        other.join(20)
        assert not other.is_alive()


def _chief(port, server, inside):
    connection, _ = server.accept()
    with connection, connection.makefile("rb") as lines:
        assert json.loads(lines.readline())["worker"] == 1
        connection.sendall(b'{"go": true}\n')
        while json.loads(lines.readline()) != {"done": True}:
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        connection.sendall(b'{"done": true}\n')
        assert lines.readline() == b""  # the worker is the first to close


def _worker(port, server, inside):
    with _connect(port) as connection, connection.makefile("rb") as lines:
        connection.sendall(b'{"worker": 1, "facts": {"--lr": "0.1"}}\n')
        assert json.loads(lines.readline()) == {"go": True}
        assert inside.wait(20)
        os.kill(os.getpid(), signal.SIGTERM)
        connection.sendall(b'{"done": true}\n')
        while json.loads(lines.readline()) != {"done": True}:
            pass


def _connect(port):
    for _ in range(400):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        time.sleep(0.05)
    raise ConnectionRefusedError
