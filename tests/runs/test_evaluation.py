"""Scores of made-up checkpoints, which come from a list."""

import dataclasses
import json
import logging
import math
from pathlib import Path

import pytest

from ugatit_tf.checkpoints.folder import RunFolder, prefix_of
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.reports import scores
from ugatit_tf.reports.scores import Entry, Estimate, Scored
from ugatit_tf.runs.evaluation import Evaluation, Point


def entry_of(step, value, metric="l1"):
    """Scores whose mean over the directions is a value."""
    directions = {
        name: Scored(9, 9, 0, {metric: Estimate(value + extra, value + extra - 0.2, value + extra + 0.2)})
        for name, extra in (("A2B", 0.1), ("B2A", -0.1))
    }
    return Entry(f"model-{step}", step, "demo", 32, {}, directions)


class Run:
    """A run whose checkpoints are empty files."""

    def __init__(self, config, values, first_step=0, metric="l1"):
        self.config = dataclasses.replace(config, evaluate_freq=10, keep_best=metric, epoch=10, iteration=10)
        self.scored = []

        def score(label, step):
            self.scored.append(step)
            assert label == f"UGATIT_light.model-{step}"
            return entry_of(step, values[step], metric or "KID")

        self.evaluation = Evaluation(self.config, first_step, score, lambda step: None)
        self.folder = RunFolder(config.run_checkpoint_dir)
        self.folder.save_config(self.config)

    def evaluate(self, *steps):
        for step in steps:
            for suffix in (".index", ".data-00000-of-00001"):
                (self.folder.path / f"{prefix_of(self.config, step).name}{suffix}").write_text(str(step))
            entry = self.evaluation.evaluate(step)
        return entry

    @property
    def history(self):
        return [entry.step for entry in scores.read(Path(self.config.result_dir) / self.config.model_dir)]


@pytest.fixture(autouse=True)
def _logs(caplog):
    caplog.set_level(logging.INFO)


VALUES = {10: 5.0, 20: 3.0, 30: 4.0, 40: 3.0, 50: 2.0}


def test_what_is_due(tiny_config):
    evaluation = Run(tiny_config, VALUES).evaluation
    assert [step for step in range(1, 101) if evaluation.is_due(step)] == list(range(10, 101, 10))
    odd = dataclasses.replace(tiny_config, evaluate_freq=40, epoch=1, iteration=101)
    evaluation = Evaluation(odd, 0, None, None)
    assert [step for step in range(1, 102) if evaluation.is_due(step)] == [40, 80, 101]


def test_the_best_is_kept_with_its_score(tiny_config, caplog):
    run = Run(tiny_config, VALUES)
    kept = []
    for step in VALUES:
        assert run.evaluate(step).step == step
        best = run.folder.best()
        kept.append((best.step, best.value))
    assert kept == [(10, 5.0), (20, 3.0), (20, 3.0), (20, 3.0), (50, 2.0)]  # of equals, the first
    assert best == (f"{tiny_config.model_name}.model-50", 50, "l1", 2.0, 2.2, {"dataset": "demo", "img_size": 32})
    assert sorted(path.name for path in (run.folder.path / "best").iterdir()) == [
        "UGATIT_light.model-50.data-00000-of-00001",
        "UGATIT_light.model-50.index",
        "best.json",
    ]
    assert run.history == list(VALUES)
    assert "The best so far by l1: step 50" in caplog.messages
    assert caplog.messages[-1] == "paired L1 at step 50: A2B 2.1 [1.9, 2.3], B2A 1.9 [1.7, 2.1]"


def test_without_keep_best_it_is_kid_and_nothing_is_kept(tiny_config):
    run = Run(tiny_config, VALUES, metric="")
    run.evaluate(10, 20)
    assert run.evaluation.metric == "KID"
    assert run.folder.best() is None
    assert run.history == [10, 20]


def test_a_run_that_goes_on_knows_its_scores_and_its_best(tiny_config):
    Run(tiny_config, VALUES).evaluate(10, 20)
    run = Run(tiny_config, VALUES, first_step=20)
    assert run.evaluation.points == [Point(10, 5.0, 4.8, 5.2), Point(20, 3.0, 2.8, 3.2)]
    run.evaluate(30)
    assert run.folder.best().step == 20
    run.evaluate(50)
    assert run.folder.best().step == 50


def test_a_run_that_goes_back_forgets_what_it_does_anew(tiny_config):
    Run(tiny_config, VALUES).evaluate(10, 20, 30)
    run = Run(tiny_config, {**VALUES, 20: 9.0}, first_step=10)
    assert [point.step for point in run.evaluation.points] == [10]
    run.evaluate(20)
    assert [point.step for point in run.evaluation.points] == [10, 20]
    assert json.loads((run.folder.path / "scores.json").read_text())["points"][-1][:2] == [20, 9.0]


@pytest.mark.parametrize("killed_in", ["_score", "writer.keep_best", "scores.append", "_draw", "write_atomically"])
def test_what_a_kill_leaves_undone_is_made_up_for(tiny_config, monkeypatch, killed_in):
    class KilledError(BaseException):
        pass

    def die(*_):
        raise KilledError

    run = Run(tiny_config, VALUES)
    run.evaluate(10)
    with monkeypatch.context() as patch:
        if killed_in.startswith("_"):
            patch.setattr(run.evaluation, killed_in, die)
        else:
            patch.setattr(f"ugatit_tf.runs.evaluation.{killed_in}", die)
        with pytest.raises(KilledError):
            run.evaluate(20)
    assert not Run(tiny_config, VALUES, first_step=10).evaluation.is_missing(10)
    run = Run(tiny_config, VALUES, first_step=20)
    assert run.evaluation.is_missing(20)
    run.evaluate(20)
    assert not run.evaluation.is_missing(20)
    assert run.folder.best().step == 20
    assert set(run.history) == {10, 20}
    assert [point.step for point in run.evaluation.points] == [10, 20]


def test_a_fresh_run_misses_nothing(tiny_config):
    run = Run(tiny_config, VALUES)
    assert not run.evaluation.is_missing(0)
    assert not run.evaluation.is_missing(5)


def test_another_score_makes_another_best(tiny_config):
    Run(tiny_config, VALUES).evaluate(10, 20)
    run = Run(tiny_config, {30: 300.0}, first_step=20, metric="KID")
    assert run.evaluation.points == []  # the others are of l1
    run.evaluate(30)
    assert (run.folder.best().step, run.folder.best().metric) == (30, "KID")


def test_a_failure_is_said_and_stops_nothing(tiny_config, monkeypatch, caplog):
    run = Run(tiny_config, VALUES)

    def fail(*_):
        raise RunError("cannot write evaluation.json: No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(scores, "append", fail)
        assert run.evaluate(10) is None
    assert caplog.messages[-1].startswith("step 10 is not scored, and the training goes on: cannot write evaluation")
    assert run.evaluation.points == []
    assert run.evaluate(20) is not None


def test_a_score_that_is_no_number_is_not_the_best(tiny_config):
    run = Run(tiny_config, {10: 1.0, 20: math.nan})
    run.evaluate(10)
    run.evaluate(20)
    assert run.folder.best().step == 10


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metric": "l1"}', '{"metric": "l1", "points": [3]}'])
def test_strange_scores_are_none(tiny_config, text):
    run = Run(tiny_config, VALUES)
    (run.folder.path / "scores.json").write_text(text)
    assert Run(tiny_config, VALUES, first_step=50).evaluation.points == []


def worsened(config, values):
    evaluation = Evaluation(dataclasses.replace(config, evaluate_freq=10, keep_best="l1"), 0, None, None)
    evaluation.points = [Point(10 * i, value, value - 0.5, value + 0.5) for i, value in enumerate(values, 1)]
    return evaluation.worsened()


def test_a_score_that_got_clearly_worse(tiny_config):
    text = worsened(tiny_config, [5, 3, *[3.6] * 10])
    assert "it was 3 at step 20, and beyond 3.5, the end of that one's interval, in the last 10 evaluations" in text
    assert "now it is 3.6" in text
    assert "--checkpoint best takes it" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "values",
    [
        [3],
        [5, 3, *[3.6] * 9],  # not for long
        [5, 3, *[3.4] * 30],  # within the interval
        [3, *[3.6] * 9, 3.5, *[3.6] * 9],  # not in a row
        [9 - i / 10 for i in range(40)],
        [5, 3, *[3.6] * 9, 2],
        [5, 3, *[math.nan] * 10],
    ],
)
def test_a_score_that_has_not_clearly_got_worse(tiny_config, values):
    assert worsened(tiny_config, values) is None


def test_old_configurations_still_load():
    values = json.loads(Config().to_json())
    for name in ("evaluate_freq", "keep_best"):
        del values[name]
    assert Config.from_json(json.dumps(values)) == Config()


def with_features(value, **facts):
    """A scoring function that gives every step this KID, of the feature network that `facts` tell."""
    facts = {"file": "a.pb", "sha256": "0" * 64, "output": "pool_3", "resize": "clean"} | facts
    return lambda label, step: dataclasses.replace(entry_of(step, value, "KID"), features=facts)


@pytest.mark.parametrize(
    ("change", "comparable"),
    [({"output": "mixed"}, False), ({"resize": "legacy"}, False), ({"sha256": "1" * 64}, False), ({"file": "b"}, True)],
)
def test_scores_of_other_features_do_not_compare(tiny_config, change, comparable, caplog):
    run = Run(tiny_config, {}, metric="KID")
    run.evaluation._score = with_features(2.0)
    run.evaluate(10)
    later = Run(tiny_config, {}, first_step=10, metric="KID")
    later.evaluation._score = with_features(5.0, **change)  # worse, if it did compare
    later.evaluate(20)
    assert [point.step for point in later.evaluation.points] == ([10, 20] if comparable else [20])
    assert later.folder.best().step == (10 if comparable else 20)
    assert any("earlier scores do not compare" in line for line in caplog.messages) == (not comparable)
    assert later.history == [10, 20]
    again = Run(tiny_config, {}, first_step=20, metric="KID")
    assert again.evaluation.points == later.evaluation.points


def test_a_best_checkpoint_of_an_earlier_version_compares_as_before(tiny_config):
    run = Run(tiny_config, {10: 2.0, 20: 5.0})
    run.evaluate(10)
    path = run.folder.path / "best" / "best.json"
    values = json.loads(path.read_text())
    del values["conditions"]
    path.write_text(json.dumps(values))
    run.evaluate(20)
    assert run.folder.best().step == 10
