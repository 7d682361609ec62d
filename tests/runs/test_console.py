import dataclasses
import itertools
import re
import sys

import pytest
import tqdm.std

from ugatit_tf.runs import console as console_module
from ugatit_tf.runs.console import Console


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved."""

    class Clock:
        now = 100.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(console_module, "time", clock)
    return clock


def test_on_a_pipe_it_is_the_references_line(tiny_config, clock, capsys):
    config = dataclasses.replace(tiny_config, epoch=71, iteration=100)
    console = Console(config, first_step=7000)
    clock.now += 72807.7642
    console.update(7004, lambda: (3.05394506, 1188.32092285))
    expected = "Epoch: [70] [    3/  100] time: 72807.7642 d_loss: 3.05394506, g_loss: 1188.32092285\n"
    assert capsys.readouterr().out == expected


def test_on_a_pipe_there_is_at_most_one_line_a_second_and_losses_are_read_only_for_it(tiny_config, clock, capsys):
    config = dataclasses.replace(tiny_config, epoch=1, iteration=100)
    console = Console(config, first_step=0)
    reads = []

    def losses():
        reads.append(clock.now)
        return 0.0, 0.0

    for step in range(1, 25):
        console.update(step, losses)
        clock.now += 0.25
    assert len(capsys.readouterr().out.splitlines()) == len(reads) == 6


def test_an_epochs_end_is_logged_with_the_time_left(tiny_config, clock, capsys):
    config = dataclasses.replace(tiny_config, epoch=3, iteration=4)
    console = Console(config, first_step=2)
    clock.now += 20  # the first step traces the graph; the rate leaves it out
    console.update(3, lambda: (1.0, 2.0))
    clock.now += 0.5
    console.update(4, lambda: (1.0, 2.0))
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("Epoch: [ 0] [    3/    4] time: 20.5000")
    assert lines[2] == "4 of 12 steps done, 2 steps/s, about 0:00:04 left"


def test_on_a_terminal_a_bar_shows_losses_and_time_left(tiny_config, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    config = dataclasses.replace(tiny_config, epoch=2, iteration=4)
    console = Console(config, first_step=0)
    console._bar.mininterval = 0
    for step in range(1, 5):
        console.update(step, lambda: (1.5, 22.25))
    console.close()
    captured = capsys.readouterr()
    assert "4/8" in captured.err
    assert "d_loss 1.5000, g_loss 22.25" in captured.err
    assert re.search(r"\[\d\d:\d\d<\d\d:\d\d", captured.err)  # elapsed < left
    assert "Epoch: [ 0] [    3/    4]" in captured.out


def test_a_clock_that_jumps_changes_neither_lines_nor_rate(tiny_config, clock, monkeypatch, capsys):
    days = iter([0, 86400, -86400, 0, 3 * 86400] * 20)
    monkeypatch.setattr(tqdm.std, "time", lambda: 1e9 + next(days))  # the bar's, which the system sets
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    console = Console(dataclasses.replace(tiny_config, epoch=2, iteration=4), first_step=0)
    for step in range(1, 5):
        console.update(step, lambda: (1.5, 22.25))
        clock.now += 0.5
    console.close()
    captured = capsys.readouterr()
    assert "Epoch: [ 0] [    3/    4] time: 1.5000" in captured.out
    assert "4 of 8 steps done, 2 steps/s, about 0:00:02 left" in captured.out
    assert "4/8" in captured.err


@pytest.mark.parametrize("terminal", [False, True])
def test_pauses_are_no_part_of_the_rate(tiny_config, clock, monkeypatch, capsys, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    bars_clock = itertools.chain([1000.0, 1001.0], itertools.repeat(1602.0))
    monkeypatch.setattr(tqdm.std, "time", lambda: next(bars_clock))
    console = Console(dataclasses.replace(tiny_config, epoch=2, iteration=4), first_step=0)
    for step in range(1, 5):
        console.update(step, lambda: (1.5, 22.25))
        clock.now += 0.5
        if step == 2:
            with console.paused():
                clock.now += 600
    assert "4 of 8 steps done, 2 steps/s, about 0:00:02 left" in capsys.readouterr().out
    if terminal:
        assert console._bar.format_dict["elapsed"] == pytest.approx(2.0)
