import dataclasses
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ugatit_tf.reports import progress
from ugatit_tf.runs.observers import Alarm, Clock, Due, Observer, Observers
from ugatit_tf.runs.page import TrainingPage, thinned
from ugatit_tf.runs.status import Status

TERMS = {"discriminator": ("total",), "generator": ("total", "adversarial", "cycle", "identity", "cam")}


def losses(step):
    names = [f"{network}_{domain}/{term}" for network, terms in TERMS.items() for term in terms for domain in "AB"]
    return {name: np.float32(np.sin(step) + number) for number, name in enumerate(names)} | {"d_loss": 3.0}


def grids(step, seed=0):
    real = np.random.default_rng(seed).integers(0, 256, (2, 2 * 8, 8, 3), np.uint8)
    fake = np.random.default_rng(step).integers(0, 256, (2, 2 * 8, 8, 3), np.uint8)
    return {"real_A": real[0], "real_B": real[1], "fake_A": fake[0], "fake_B": fake[1]}


class Run:
    """A session of a run that logs every 10 steps, which take a second."""

    def __init__(self, config, first_step=0, print_freq=100):
        self.config = dataclasses.replace(config, log_freq=10, print_freq=print_freq, epoch=100, iteration=100)
        self.now, self.step, self.warnings, self.rate = 500.0, first_step, (), None
        self.results = Path(config.result_dir) / config.model_dir
        clock = Clock(lambda: self.now)
        self.observers = Observers([TrainingPage(self.config, first_step, self, clock)], clock)
        self.observers.report(Observer.on_start)

    def go(self, last):
        while self.step < last:
            self.step += 10
            self.now += 1
            self.rate = 10.0
            self.report(losses(self.step))
            if self.step % self.config.print_freq == 0:
                self.sample(grids(self.step))
        return self

    def report(self, metrics, save=False):
        self.observers.report(Observer.on_report, self.step, metrics, Due(True, save, False, False))

    def sample(self, pictures):
        self.observers.report(Observer.on_samples, self.step, pictures)

    def stop(self):
        self.observers.report(Observer.on_stop)

    @property
    def current(self):
        """What the page reads of the status file."""
        return Status(self.step, self.config.total_steps, 100, self.rate, {}, self.warnings, {}, 0.0)

    @property
    def shown(self):
        """What the page shows, but for the time at which it was written."""
        shown = progress.read(self.results)
        return dataclasses.replace(shown, facts=[fact for fact in shown.facts if fact[0] != "Written"])

    @property
    def files(self):
        """The pictures' bytes by their names."""
        return {path.name: path.read_bytes() for path in (self.results / "training").glob("*.jpg")}


@settings(derandomize=True, deadline=None, database=None)
@given(st.sets(st.integers(1, 10**6), min_size=1), st.integers(1, 100), st.integers(1, 20))
def test_thinned_steps_are_few_and_never_wanted_again(steps, every, most):
    steps = sorted(steps)
    kept = thinned(steps, every, most)
    assert len(kept) <= most + 1
    assert kept == sorted(set(kept) & set(steps))
    assert (kept[0], kept[-1]) == (steps[0], steps[-1])
    left = []
    for step in steps:
        left = thinned([*left, step], every, most)
    assert left == kept


def test_thinned_steps_are_evenly_spread():
    assert thinned(range(100, 1001, 100), 100, 10) == list(range(100, 1001, 100))
    assert thinned(range(100, 1201, 100), 100, 10) == [100, 300, 500, 700, 900, 1100, 1200]
    assert thinned(range(1000, 1_000_001, 1000), 1000, 10) == [*range(1000, 1_000_000, 128_000), 1_000_000]


def test_the_page_is_there_before_the_first_step(tiny_config, caplog):
    caplog.set_level(logging.INFO)
    run = Run(tiny_config)
    assert caplog.messages == [f"Page: {run.results}/index.html"]
    facts = dict(run.shown.facts)
    assert facts["Run"].startswith("starting")
    assert (facts["Step"], facts["Rate"]) == ("0 of 10,000 (0.0%), epoch 1 of 100", "not known yet")
    assert (run.shown.awaited, run.shown.running) == (100, True)


def test_it_shows_where_the_run_stands(tiny_config):
    run = Run(tiny_config).go(200)
    run.warnings = [Alarm("slow", 150, "steps have got slow")]
    run.report(losses(200), save=True)
    assert run.shown.facts[:3] == [
        ("Run", "training"),
        ("Step", "200 of 10,000 (2.0%), epoch 2 of 100"),
        ("Rate", "10 steps/s, about 0:16:20 left"),
    ]
    assert run.shown.warnings == ["Step 150: steps have got slow"]
    assert run.shown.steps == list(range(10, 201, 10))
    assert run.shown.plots["Cycle loss"]["B"] == [float(f"{np.sin(step) + 7:.4g}") for step in range(10, 201, 10)]
    assert run.shown.stages == [100, 200]
    assert len(run.files) == 2 + 2 * 2


def test_a_loss_that_is_no_number_is_left_out(tiny_config):
    run = Run(tiny_config)
    for step, value in ((10, np.nan), (20, 1.0), (30, np.inf)):
        run.step = step
        run.report(losses(step) | {"generator_A/cam": value}, save=True)
    assert run.shown.plots["CAM loss"]["A"] == [None, 1.0, None]


def test_it_is_written_with_each_sample_and_else_every_half_minute(tiny_config, monkeypatch):
    runs = [Run(tiny_config, print_freq=print_freq) for print_freq in (100, 700)]
    written = []
    monkeypatch.setattr(progress, "write", lambda _, shown: written.append(dict(shown.facts)["Step"].split()[0]))
    runs[0].go(500)
    assert written == ["100", "200", "300", "400", "500"]
    written.clear()
    runs[1].go(1500)
    assert written == ["300", "600", "700", "1,000", "1,300", "1,400"]


@pytest.mark.parametrize(("last", "state"), [(10_000, "complete"), (9_990, "stopped; the same command goes on")])
def test_a_run_that_has_ended_says_so(tiny_config, last, state):
    run = Run(tiny_config)
    run.step = last
    run.stop()
    assert not run.shown.running
    assert dict(run.shown.facts)["Run"].startswith(state)


def test_a_long_run_has_a_page_as_short_as_any(tiny_config, monkeypatch):
    run = Run(tiny_config).go(2500)
    sizes = [(run.results / "index.html").stat().st_size]
    assert len(run.shown.steps) == 250
    for last in (2600, 10_000, 1_000_000):
        if last == 1_000_000:
            monkeypatch.setattr(progress, "write", lambda *_: None)  # it would be written 1000 times and more
            monkeypatch.setattr(progress, "save_column", lambda *_: None)
            run.go(last)
            monkeypatch.undo()
            run.report(losses(last), save=True)
        run.go(last)
        assert 125 <= len(run.shown.steps) <= 251
        assert 5 <= len(run.shown.stages) <= 11
        assert (run.shown.steps[0], run.shown.steps[-1]) == (10, last)
        assert (run.shown.stages[0], run.shown.stages[-1]) == (100, last)
        sizes.append((run.results / "index.html").stat().st_size)
    assert max(sizes) < 80_000


@pytest.mark.parametrize(
    ("killed", "resumed", "last"),
    [
        (1900, 1000, 3000),
        (1000, 1000, 1500),  # just after the save
        (4990, 2000, 6000),  # after points were left out for the first time, goes back to before that
        (130, 50, 300),
    ],
)
def test_a_page_that_goes_on_ends_as_one_that_was_not_interrupted(tiny_config, tmp_path, killed, resumed, last):
    whole = Run(dataclasses.replace(tiny_config, result_dir=str(tmp_path / "whole"))).go(last)
    Run(tiny_config).go(killed).report(losses(killed), save=True)
    run = Run(tiny_config, resumed)
    assert resumed - 20 < max(run.shown.steps) <= resumed
    assert run.shown.stages == [step for step in thinned(range(100, killed + 1, 100), 100, 10) if step <= resumed]
    run.go(last)
    for each in (whole, run):
        each.stop()
    assert run.shown == whole.shown
    assert run.files == whole.files


def test_a_new_run_begins_a_new_page(tiny_config):
    Run(tiny_config).go(300)
    fresh = Run(tiny_config)
    assert (fresh.shown.steps, fresh.shown.stages, fresh.files) == ([], [], {})


def test_other_sample_pictures_begin_new_rows(tiny_config):
    run = Run(tiny_config).go(300)
    before = run.files.keys()
    run.step = 400
    run.sample(grids(400, seed=1))
    assert run.shown.stages == [400]
    assert run.shown.inputs.keys() == {"A2B", "B2A"}
    assert len(run.files) == 4
    assert not before & run.files.keys()


def test_a_page_of_another_version_is_no_hindrance(tiny_config):
    run = Run(tiny_config).go(300)
    path = run.results / "training" / "progress.json"
    values = json.loads(path.read_text())
    values["plots"] = {"Cycle loss": {"A": values["plots"]["Cycle loss"]["A"]}}
    path.write_text(json.dumps(values))
    resumed = Run(tiny_config, 200)
    assert resumed.shown.plots["Cycle loss"]["B"] == [None] * 20
    assert None not in resumed.shown.plots["Cycle loss"]["A"]
    path.write_text("[]")
    assert Run(tiny_config, 200).shown.steps == []


def test_a_full_disk_is_logged_once_and_stops_nothing(tiny_config, full_disk, caplog):
    run = Run(tiny_config).go(200)
    before = run.shown
    with full_disk(after=200):
        run.go(400)
    (line,) = caplog.messages
    assert line.startswith(f"cannot write {run.results}/training/")
    assert line.endswith(": File too large. The run's page shows nothing newer; the training goes on.")
    assert run.shown == before
    run.go(500)
    assert run.shown.steps == list(range(10, 501, 10))
    assert run.shown.stages == [100, 200, 500]  # those of which there are pictures
    assert len(caplog.messages) == 1
    with full_disk(after=200):
        run.go(600)
    assert len(caplog.messages) == 1


def test_a_folder_that_cannot_be_made_stops_nothing(tiny_config, caplog):
    Path(tiny_config.result_dir).write_text("in the way")
    run = Run(tiny_config).go(200)
    run.stop()
    assert len(caplog.messages) == 1
    Path(tiny_config.result_dir).unlink()
    assert Run(tiny_config).go(100).shown.stages == [100]


def test_a_folder_that_is_gone_is_made_again(tiny_config):
    run = Run(tiny_config).go(200)
    shutil.rmtree(run.results)
    run.go(300)
    assert run.shown.steps == list(range(10, 301, 10))
