import json
import time

import numpy as np
import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.runs import monitor, status
from ugatit_tf.runs.monitor import Monitor
from ugatit_tf.runs.status import Alarm

LOSSES = {
    f"{network}_{domain}/{name}": 0.4
    for domain in "AB"
    for network, name in (("discriminator", "local"), ("discriminator", "global"), ("generator", "cam"))
} | {"d_loss": 3.5, "g_loss": 40.0}
WON = LOSSES | {"discriminator_A/local": 1e-3, "discriminator_A/global": 1e-3}


class Run:
    """A monitor, and what reaches the user."""

    def __init__(self, config, first_step=0):
        self.said, self.texts, self.now = [], [], 500.0
        config.run_checkpoint_dir.mkdir(parents=True, exist_ok=True)
        self.folder = config.run_checkpoint_dir
        self.monitor = Monitor(
            config, first_step, self.said.append, lambda *text: self.texts.append(text), lambda: self.now
        )

    def steps(self, first, last, metrics=None, write=False):
        for step in range(first, last + 1, 10):
            self.now += 5  # half a second a step
            self.monitor.observe(step, metrics or LOSSES, write=write)

    @property
    def status(self):
        return status.read(self.folder)


def test_a_status_tells_where_the_run_stands(tiny_config):
    run = Run(tiny_config)
    run.monitor.observe(1, {name: np.float32(value) for name, value in LOSSES.items()}, write=False)
    assert run.status.steps_per_second is None
    run.now += 8
    run.monitor.observe(5, LOSSES | {"g_loss": float("inf")}, write=False)
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
        run.monitor.observe(step, LOSSES, write=False)
    assert run.status.steps_per_second == 0.5


def test_writes_are_seconds_apart_but_for_what_is_due(tiny_config):
    run = Run(tiny_config)
    seen = []
    for step, seconds, write in ((1, 0, False), (2, 4.9, False), (3, 0.2, False), (4, 1, False), (5, 0, True)):
        run.now += seconds
        assert run.monitor.observe(step, LOSSES, write=write).step == step
        seen.append(run.status.step)
    assert seen == [1, 1, 3, 3, 5]


def test_an_alarm_is_said_written_and_kept(tiny_config):
    run = Run(tiny_config)
    run.steps(10, 3000, WON)
    (line,) = run.said
    (text,) = run.texts
    assert line.startswith("Warning: discriminator_A wins outright: its loss was 0.001 ")
    assert text == (1010, "warnings/discriminator_A_wins", line.removeprefix("Warning: "))
    assert run.status.warnings == (Alarm("discriminator_A_wins", 1010, text[2]),)


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
    assert [text[1] for text in resumed.texts] == ["warnings/discriminator_A_wins"]


def test_what_was_seen_before_a_pause_counts(tiny_config):
    Run(tiny_config).steps(10, 900, WON)
    resumed = Run(tiny_config, first_step=900)
    resumed.steps(910, 1200, WON)
    assert [text[:2] for text in resumed.texts] == [(1010, "warnings/discriminator_A_wins")]


def test_sample_images_that_are_all_the_same_are_noticed(tiny_config):
    rng = np.random.default_rng(0)
    grids = {name: rng.integers(0, 256, (4 * 8, 8, 3), np.uint8) for name in ("real_A", "fake_A", "real_B", "fake_B")}
    run = Run(tiny_config)
    run.monitor.observe_samples(1000, grids)
    for step in (2000, 3000):
        run.monitor.observe_samples(step, grids | {"fake_B": np.tile(grids["real_B"][:8], (4, 1, 1))})
    assert [text[:2] for text in run.texts] == [(3000, "warnings/A2B_collapsed")]


def test_a_full_disk_is_said_once_and_stops_nothing(tiny_config, monkeypatch):
    run = Run(tiny_config)
    run.steps(10, 20)

    def full(*_):
        raise RunError("cannot write status.json: No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(monitor.status, "write", full)
        run.steps(30, 60)
    assert run.status.step == 20
    (line,) = run.said
    assert "No space left on device" in line
    run.steps(70, 80)
    assert (run.status.step, len(run.said)) == (80, 1)


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
    with run.monitor.paused():
        run.now += 1000
    run.steps(30, 40, write=True)
    assert run.status.steps_per_second == 2


def test_a_trouble_that_was_found_elsewhere_is_told_once(tiny_config):
    run = Run(tiny_config)
    for step, trouble in ((10, None), (20, "it got worse"), (30, "it got worse still")):
        run.monitor.note(step, "score", trouble)
    assert run.said == ["Warning: it got worse"]
    assert run.texts == [(20, "warnings/score", "it got worse")]
