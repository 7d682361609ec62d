import os
import signal
import subprocess
import sys
import time

import pytest

from ugatit_tf.system.signals import StopRequest

SCRIPT = """
import time
from ugatit_tf.system.signals import StopRequest
with StopRequest() as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    {after}
print("left", flush=True)
{at_last}
"""


def start(after="pass", at_last="pass", **options):
    script = SCRIPT.format(after=after, at_last=at_last)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, **options)
    assert process.stdout.readline() == "ready\n"
    return process


def wait_until_heard(process):
    while "Finishing this step" not in process.stdout.readline():
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_to_leave_and_says_so(number):
    process = start()
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert "Finishing this step, then saving" in output
    assert output.endswith("left\n")
    assert process.returncode == 0


def test_nohup_keeps_it_going():
    process = start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    time.sleep(0.3)  # until it would have stopped
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output.count("Finishing")) == (0, 1)


def test_a_second_interrupt_leaves_at_once_even_from_within_c_code():
    # As a long training step would, this holds the main thread in C, without Python's lock, until long after the test.
    process = start(after="import hashlib; hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)")
    process.send_signal(signal.SIGINT)
    wait_until_heard(process)
    time.sleep(0.3)  # until it is there
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "left" not in output


def test_a_second_sigterm_changes_nothing():
    process = start(after="time.sleep(1)")
    process.send_signal(signal.SIGTERM)
    wait_until_heard(process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.endswith("left\n")


def test_it_is_heard_though_nobody_reads_what_it_says():
    process = start(at_last="import os; os._exit(0)")
    process.stdout.close()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)  # the script's own print, of "left", fails


def test_the_usual_handlers_come_back():
    process = start(at_last="time.sleep(60)")
    process.send_signal(signal.SIGINT)
    while process.stdout.readline() != "left\n":
        pass
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == -signal.SIGTERM


def test_a_context_within_another_shares_its_request():
    handler = signal.getsignal(signal.SIGTERM)
    with StopRequest() as outer:
        os.kill(os.getpid(), signal.SIGTERM)
        assert outer._event.wait(20)
        with StopRequest() as inner:
            assert inner.requested
        assert signal.getsignal(signal.SIGTERM) != handler  # the inner one left it to the outer one
    assert signal.getsignal(signal.SIGTERM) == handler
    with StopRequest() as later:
        assert not later.requested
