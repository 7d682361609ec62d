import json
import time

import numpy as np
import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.runs import status
from ugatit_tf.runs.health import Watch
from ugatit_tf.runs.observers import Alarm, Clock, Due, Observer, Observers
from ugatit_tf.runs.status import StatusFile

LOSSES = {
    f"{network}_{domain}/{name}": 0.4
    for domain in "AB"
    for network, name in (("discriminator", "local"), ("discriminator", "global"), ("generator", "cam"))
} | {"d_loss": 3.5, "g_loss": 40.0}
WON = LOSSES | {"discriminator_A/local": 1e-3, "discriminator_A/global": 1e-3}


LOG = Due(log=True, save=False, score=False, sample=False)


class Warnings(Observer):
    """Keeps the warnings that reach the user."""

    def __init__(self):
        self.alarms = []

    def on_warning(self, alarm):
        self.alarms.append(alarm)


class Run:
    """The observers that watch a run and write its status."""

    def __init__(self, config, first_step=0):
        self.now = 500.0
        config.run_checkpoint_dir.mkdir(parents=True, exist_ok=True)
        self.folder = config.run_checkpoint_dir
        self.clock = Clock(lambda: self.now)
        self.warnings = Warnings()
        watch = Watch.resumed(config, first_step, self.clock)
        self.observers = Observers(
            [self.warnings, watch, StatusFile(config, first_step, watch, self.clock)], self.clock
        )

    def report(self, step, metrics, save=False):
        self.observers.report(Observer.on_report, step, metrics, LOG)
        if save:
            self.observers.report(Observer.on_save, step, "checkpoint")

    def steps(self, first, last, metrics=None, save=False):
        for step in range(first, last + 1, 10):
            self.now += 5  # half a second a step
            self.report(step, metrics or LOSSES, save)

    @property
    def said(self):
        return [alarm.text for alarm in self.warnings.alarms]

    @property
    def names(self):
        return [(alarm.step, alarm.name) for alarm in self.warnings.alarms]

    @property
    def status(self):
        return status.read(self.folder)


def test_a_status_tells_where_the_run_stands(tiny_config):
    run = Run(tiny_config)
    run.report(1, LOSSES)
    assert run.status.steps_per_second is None
    run.now += 8
    run.report(5, LOSSES | {"g_loss": float("inf")})
    now = run.status
    assert (now.step, now.total_steps, now.iteration, now.steps_per_second) == (5, 8, 4, 0.5)
    assert now.metrics == LOSSES | {"g_loss": None}
    assert now.warnings == ()
    assert 0 <= time.time() - now.written < 60
    assert [path.name for path in run.folder.iterdir()] == ["status.json"]


def test_the_rate_is_that_of_the_last_hundred_points(tiny_config):
    run = Run(tiny_config)
    run.steps(10, 1000)
    for step in range(1010, 2001, 10):
        run.now += 20
        run.report(step, LOSSES)
    assert run.status.steps_per_second == 0.5


def test_writes_are_seconds_apart_but_for_what_is_due(tiny_config):
    run = Run(tiny_config)
    seen = []
    for step, seconds, write in ((1, 0, False), (2, 4.9, False), (3, 0.2, False), (4, 1, False), (5, 0, True)):
        run.now += seconds
        run.report(step, LOSSES, save=write)
        seen.append(run.status.step)
    assert seen == [1, 1, 3, 3, 5]


def test_an_alarm_is_reported_once_and_kept(tiny_config):
    run = Run(tiny_config)
    run.steps(10, 3000, WON)
    (alarm,) = run.warnings.alarms
    assert alarm.text.startswith("discriminator_A wins outright: its loss was 0.001 ")
    assert alarm == Alarm("discriminator_A_wins", 1010, alarm.text)
    assert run.status.warnings == (alarm,)


def test_a_resumed_run_does_not_repeat_itself_and_a_new_one_does(tiny_config):
    Run(tiny_config).steps(10, 3000, WON)
    resumed = Run(tiny_config, first_step=3000)
    resumed.steps(3010, 6000, WON)
    assert resumed.said == []
    assert [alarm.step for alarm in resumed.status.warnings] == [1010]
    fresh = Run(tiny_config)
    fresh.steps(10, 3000, WON)
    assert len(fresh.said) == 1


def test_a_run_that_goes_back_warns_again(tiny_config):
    Run(tiny_config).steps(10, 3000, WON)
    resumed = Run(tiny_config, first_step=1000)  # to before the warning
    resumed.steps(1010, 1020, WON)
    assert resumed.status.warnings == ()
    resumed.steps(1030, 3000, WON)
    assert [name for _, name in resumed.names] == ["discriminator_A_wins"]


def test_what_was_seen_before_a_pause_counts(tiny_config):
    Run(tiny_config).steps(10, 900, WON)
    resumed = Run(tiny_config, first_step=900)
    resumed.steps(910, 1200, WON)
    assert resumed.names == [(1010, "discriminator_A_wins")]


def test_sample_images_that_are_all_the_same_are_noticed(tiny_config):
    rng = np.random.default_rng(0)
    grids = {name: rng.integers(0, 256, (4 * 8, 8, 3), np.uint8) for name in ("real_A", "fake_A", "real_B", "fake_B")}
    run = Run(tiny_config)
    run.observers.report(Observer.on_samples, 1000, grids)
    for step in (2000, 3000):
        run.observers.report(Observer.on_samples, step, grids | {"fake_B": np.tile(grids["real_B"][:8], (4, 1, 1))})
    assert run.names == [(3000, "A2B_collapsed")]


def test_a_full_disk_is_logged_once_and_stops_nothing(tiny_config, monkeypatch, caplog):
    run = Run(tiny_config)
    run.steps(10, 20)

    def full(*_):
        raise RunError("cannot write status.json: No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(status, "write", full)
        run.steps(30, 60)
    assert run.status.step == 20
    (line,) = caplog.messages
    assert line == (
        "cannot write status.json: No space left on device. --phase status knows nothing newer; the training goes on."
    )
    run.steps(70, 80)
    assert (run.status.step, len(caplog.messages)) == (80, 1)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"step": 3}', '{"warnings": [3]}', b"\xff\xfe"])
def test_a_strange_status_is_none(tiny_config, text):
    run = Run(tiny_config)
    assert run.status is None
    (run.folder / "status.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert run.status is None
    assert Run(tiny_config, first_step=10).said == []


def test_a_status_is_plain_json(tiny_config):
    run = Run(tiny_config)
    run.steps(10, 3000, WON | {"g_loss": float("nan")})

    def refuse(constant):
        raise AssertionError(constant)

    values = json.loads((run.folder / "status.json").read_text(), parse_constant=refuse)
    assert values["warnings"][0]["name"] == "discriminator_A_wins"


def test_pauses_are_no_part_of_the_rate(tiny_config):
    run = Run(tiny_config)
    run.steps(10, 20)
    with run.clock.paused():
        run.now += 1000
    run.steps(30, 40, save=True)
    assert run.status.steps_per_second == 2


def test_a_score_that_got_worse_is_reported_once(tiny_config):
    run = Run(tiny_config)
    for step, problem in ((10, None), (20, "it got worse"), (30, "it got worse still")):
        run.observers.report(Observer.on_score, step, {}, problem)
    assert run.warnings.alarms == [Alarm("score", 20, "it got worse")]


def test_the_last_steps_are_written_at_the_stop(tiny_config):
    run = Run(tiny_config)
    run.observers.report(Observer.on_stop)
    assert run.status is None  # nothing has been reported
    run.steps(10, 10)
    run.now += 1
    run.report(12, LOSSES)
    assert run.status.step == 10
    run.observers.report(Observer.on_stop)
    assert run.status.step == 12
