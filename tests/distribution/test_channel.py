import contextlib
import json
import logging
import os
import socket
import threading

import pytest

from ugatit_tf.distribution import channel
from ugatit_tf.distribution.channel import Channel
from ugatit_tf.distribution.cluster import Cluster
from ugatit_tf.errors import RunError

FACTS = {"--lr": "0.1", "TensorFlow": "2"}


class Ended(BaseException):
    """In place of the end of a process."""


@pytest.fixture
def addresses():
    """Addresses of three workers on this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        return tuple(f"127.0.0.1:{each.getsockname()[1]}" for each in sockets)


@pytest.fixture(autouse=True)
def ended(monkeypatch):
    """Collects what processes say that a lost worker ends."""
    reasons = []

    def leave(code):
        assert code == 1
        raise Ended

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(os, "write", lambda descriptor, text: reasons.append(text.decode()))
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    return reasons


class Worker(threading.Thread):
    """A worker in a thread: enters the channel, does its work, leaves."""

    def __init__(self, addresses, index, facts=FACTS, wait=20.0, work=lambda: None):
        super().__init__(daemon=True)
        self.error = None
        self._channel = Channel(Cluster(addresses, index, None), facts, wait)
        self._work = work
        self.start()

    def run(self):
        try:
            with self._channel:
                self._work()
                self._channel.say_goodbye()
        except RunError as error:
            self.error = str(error)

    def finish(self):
        self.join(30)
        assert not self.is_alive()
        return self


def _chiefs(caplog):
    """Returns the messages that the chief has logged."""
    return [message for message in caplog.messages if message.startswith("Waiting for worker")]


def test_workers_begin_and_end_together(addresses, caplog):
    caplog.set_level(logging.INFO)
    begun, barrier = [], threading.Barrier(3)

    def work():
        begun.append(1)
        barrier.wait(20)

    first = Worker(addresses, 2, work=work)
    chief = Worker(addresses, 0, work=work)
    first.join(0.5)
    assert not begun  # one is missing
    last = Worker(addresses, 1, work=work)
    for worker in (first, chief, last):
        assert worker.finish().error is None
    assert len(begun) == 3
    assert caplog.messages.count(f"Waiting for the chief, worker 0 of 3 at {addresses[0]}.") == 2
    assert {f"Waiting for worker {i} of 3 at {addresses[i]}." for i in (1, 2)} == set(_chiefs(caplog)[:2])


def test_all_leave_only_when_all_are_done(addresses):
    may_end = threading.Event()
    chief, other = Worker(addresses[:2], 0, work=lambda: may_end.wait(20)), Worker(addresses[:2], 1)
    other.join(1.0)
    assert other.is_alive()
    may_end.set()
    assert chief.finish().error is other.finish().error is None


def test_a_chief_that_is_slow_to_end_still_says_that_it_is_alive(addresses, ended, monkeypatch):
    monkeypatch.setattr(channel, "_BEAT", 0.05)
    may_end = threading.Event()
    chief = Worker(addresses[:2], 0, work=lambda: may_end.wait(20))
    host, port = addresses[0].split(":")
    with _connect(host, int(port)) as connection, connection.makefile("rb") as lines:
        connection.settimeout(5)
        connection.sendall(json.dumps({"worker": 1, "facts": FACTS}).encode() + b"\n")
        assert json.loads(lines.readline()) == {"go": True}
        connection.sendall(b'{"done": true}\n')
        for _ in range(10):  # more than can be on their way when the chief reads that this worker is done
            assert json.loads(lines.readline()) == {}
        may_end.set()
        while not (message := json.loads(lines.readline())):
            pass
        assert message == {"done": True}
    assert chief.finish().error is None
    assert not ended


def test_nobody_leaves_while_a_third_worker_works(addresses, ended):
    may_end = threading.Event()
    chief, other = Worker(addresses, 0), Worker(addresses, 1)
    slow = Worker(addresses, 2, work=lambda: may_end.wait(20))
    other.join(1.0)
    assert other.is_alive()
    assert chief.is_alive()
    may_end.set()
    assert [worker.finish().error for worker in (chief, other, slow)] == [None] * 3
    assert not ended


def test_who_does_not_come_is_named(addresses, caplog):
    caplog.set_level(logging.INFO)
    chief = Worker(addresses, 0, wait=2)
    _until(lambda: _chiefs(caplog))  # it listens
    other = Worker(addresses, 1)
    expected = f"The training cannot begin: worker 2 of 3 at {addresses[2]} did not come within 2 s (--wait)."
    assert chief.finish().error == other.finish().error == expected


def test_a_chief_that_does_not_come_is_named(addresses):
    other = Worker(addresses, 1, wait=0.5).finish()
    assert other.error.startswith(
        f"The training cannot begin: the chief, worker 0 of 3 at {addresses[0]}, did not answer"
    )


def test_workers_that_differ_are_refused(addresses, caplog):
    caplog.set_level(logging.INFO)
    chief, same = Worker(addresses, 0), Worker(addresses, 1)
    _until(lambda: len(_chiefs(caplog)) == 3)  # two were missing, then one
    other = Worker(addresses, 2, facts=FACTS | {"--lr": "0.2"})
    expected = f"worker 2 of 3 at {addresses[2]} differs from the chief: --lr is 0.2 there, 0.1 here."
    for worker in (chief, same, other):
        assert worker.finish().error == f"The training cannot begin: {expected}"


def test_strangers_are_ignored_and_who_waits_may_begin_again(addresses, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(channel, "_HANDSHAKE", 0.2)
    chief = Worker(addresses, 0)
    host, port = addresses[0].split(":")
    hello = {"worker": 1, "facts": FACTS}
    strange = [b"GET / HTTP/1.1\n\n", b"\xff\n", b"[]\n", json.dumps(hello | {"worker": 3}).encode() + b"\n", b""]
    for text in [*strange, json.dumps(hello).encode() + b"\n"]:
        connection = _connect(host, int(port))
        connection.sendall(text)
        threading.Event().wait(0.3)
        connection.close()
    again = Worker(addresses, 1)
    _until(lambda: len(_chiefs(caplog)) == 4)  # two were missing, then one, and still one
    workers = [chief, again, Worker(addresses, 2)]
    assert [worker.finish().error for worker in workers] == [None] * 3


def _until(condition):
    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError


def _connect(host, port):
    for _ in range(100):
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection((host, port))
        threading.Event().wait(0.05)
    raise ConnectionRefusedError


@pytest.mark.parametrize("lost", [0, 1])
def test_a_worker_that_is_gone_ends_the_others_with_its_name(addresses, ended, lost):
    ready, gone = threading.Barrier(3), threading.Event()
    chief = Worker(addresses[:2], 0, work=lambda: ready.wait(20) and None or gone.wait(20))
    other = Worker(addresses[:2], 1, work=lambda: ready.wait(20) and None or gone.wait(20))
    ready.wait(20)
    connection = (chief, other)[lost]._channel._peers[0]._connection
    connection.shutdown(socket.SHUT_RDWR)  # as the system does for a process that was killed
    _until(lambda: len(ended) == 2)
    assert any(f"worker {lost} of 2 at {addresses[lost]} has ended, or its connection has" in text for text in ended)
    gone.set()


def test_a_worker_that_hangs_ends_the_others_with_its_name(addresses, ended, monkeypatch):
    monkeypatch.setattr(channel, "PATIENCE", 0.5)
    gone = threading.Event()
    workers = [Worker(addresses[:2], index, work=lambda: gone.wait(20)) for index in (0, 1)]
    _until(lambda: len(ended) == 2)  # the signs of life come every 5 s
    assert any(f"worker 1 of 2 at {addresses[1]} has not answered for 0.5 s" in text for text in ended)
    gone.set()
    del workers


def test_an_error_is_told_to_the_others(addresses, ended):
    def fail():
        raise RunError("The disk is full.")

    chief, other = Worker(addresses[:2], 0, work=fail), Worker(addresses[:2], 1, work=lambda: threading.Event().wait(2))
    assert chief.finish().error == "The disk is full."
    _until(lambda: ended)
    assert f"worker 0 of 2 at {addresses[0]} has stopped: The disk is full." in ended[0]
    del other
