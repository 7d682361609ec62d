import dataclasses
import re
import sys

import numpy as np
import pytest
import tqdm.std

from ugatit_tf.runs.console import Console
from ugatit_tf.runs.observers import Clock


class Time:
    """A clock that stands still until it is moved."""

    now = 100.0


@pytest.fixture
def time():
    return Time()


def open_console(config, first_step, time=Time):
    return Console(config, first_step, Clock(lambda: time.now))


def losses(d_loss=1.5, g_loss=22.25):
    return {"d_loss": np.float32(d_loss), "g_loss": np.float32(g_loss)}


def test_on_a_pipe_it_is_the_references_line(tiny_config, time, capsys):
    config = dataclasses.replace(tiny_config, epoch=71, iteration=100)
    console = open_console(config, 7000, time)
    time.now += 72807.7642
    console.on_step(7004, losses(3.05394506, 1188.32092285))
    expected = "Epoch: [70] [    3/  100] time: 72807.7642 d_loss: 3.05394506, g_loss: 1188.32092285\n"
    assert capsys.readouterr().out == expected


def test_on_a_pipe_there_is_at_most_one_line_a_second_and_losses_are_read_only_for_it(tiny_config, time, capsys):
    config = dataclasses.replace(tiny_config, epoch=1, iteration=100)
    console = open_console(config, 0, time)
    reads = []

    class Loss:
        def __float__(self):
            reads.append(time.now)
            return 0.0

    for step in range(1, 25):
        console.on_step(step, {"d_loss": Loss(), "g_loss": 0.0})
        time.now += 0.25
    assert len(capsys.readouterr().out.splitlines()) == len(reads) == 6


def test_an_epochs_end_is_logged_with_the_time_left(tiny_config, time, capsys):
    config = dataclasses.replace(tiny_config, epoch=3, iteration=4)
    console = open_console(config, 2, time)
    time.now += 20  # the first step traces the graph; the rate leaves it out
    console.on_step(3, losses())
    time.now += 0.5
    console.on_step(4, losses())
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("Epoch: [ 0] [    3/    4] time: 20.5000")
    assert lines[2] == "4 of 12 steps done, 2 steps/s, about 0:00:04 left"


def test_on_a_terminal_a_bar_shows_losses_and_time_left(tiny_config, time, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    config = dataclasses.replace(tiny_config, epoch=2, iteration=4)
    console = open_console(config, 0, time)
    console._bar.mininterval = 0
    for step in range(1, 5):
        console.on_step(step, losses())
        time.now += 0.5
    console.on_stop()
    captured = capsys.readouterr()
    assert "4/8" in captured.err
    assert "d_loss 1.5000, g_loss 22.25" in captured.err
    assert re.search(r"\[\d\d:\d\d<\d\d:\d\d", captured.err)  # elapsed < left
    assert "Epoch: [ 0] [    3/    4]" in captured.out


def test_a_clock_that_jumps_changes_neither_lines_nor_rate(tiny_config, time, monkeypatch, capsys):
    days = iter([0, 86400, -86400, 0, 3 * 86400] * 20)
    monkeypatch.setattr(tqdm.std, "time", lambda: 1e9 + next(days))  # the bar's, which the system sets
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    console = open_console(dataclasses.replace(tiny_config, epoch=2, iteration=4), 0, time)
    for step in range(1, 5):
        console.on_step(step, losses())
        time.now += 0.5
    console.on_stop()
    captured = capsys.readouterr()
    assert "Epoch: [ 0] [    3/    4] time: 1.5000" in captured.out
    assert "4 of 8 steps done, 2 steps/s, about 0:00:02 left" in captured.out
    assert "4/8" in captured.err


@pytest.mark.parametrize("terminal", [False, True])
def test_pauses_are_no_part_of_the_rate(tiny_config, time, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(tqdm.std, "time", lambda: time.now)
    console = open_console(dataclasses.replace(tiny_config, epoch=2, iteration=4), 0, time)
    for step in range(1, 5):
        console.on_step(step, losses())
        if step == 2:
            with console._clock.paused():
                time.now += 600
                console.on_save(step, "checkpoint")
        time.now += 0.5
    assert "4 of 8 steps done, 2 steps/s, about 0:00:02 left" in capsys.readouterr().out
    if terminal:
        assert console._bar.format_dict["elapsed"] == pytest.approx(2.0)
