"""Trainings that score their checkpoints and keep the best, as a user gives them."""

import json
import re
import runpy
from pathlib import Path

import pytest

import main
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.data import demo
from ugatit_tf.reports import scores
from ugatit_tf.runs import evaluation

KILLS = runpy.run_path(str(Path(__file__).with_name("test_kills.py")))
MAKER = runpy.run_path(str(Path(__file__).parents[1] / "evaluation" / "conftest.py"))
FLAGS = ["--dataset", "demo", "--light", "True", "--ch", "2", "--n_res", "1", "--img_size", "32", "--epoch", "1"]
FLAGS += ["--print_freq", "100", "--log_freq", "2"]


def command(*flags):
    return main.main(["main.py", *FLAGS, *map(str, flags)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "SPLIT_SIZES", {"trainA": 4, "trainB": 4, "testA": 5, "testB": 5})
    return tmp_path


def test_a_training_scores_its_checkpoints_and_keeps_the_best(here, capsys, monkeypatch):
    flags = ["--iteration", 6, "--save_freq", 4, "--evaluate_freq", 2, "--keep_best", "l1", "--max_to_keep", 2]
    assert command(*flags) == 0
    output = capsys.readouterr().out
    assert re.search(r"Scoring: paired L1 of the test images, every 2 steps, about \S+ s each time", output)
    assert output.count("paired L1 at step ") == 3
    assert re.findall(r"Saved step (\d+) ", output) == ["2", "4", "6"]
    (run,) = map(RunFolder, here.glob("checkpoint/*"))
    history = scores.read(here / "results" / run.path.name)
    values = {entry.step: entry.mean("l1").value for entry in history}
    assert list(values) == [2, 4, 6]
    best = run.best()
    assert (best.step, best.value) == (min(values, key=values.get), min(values.values()))
    assert list(map(int, run.by_step())) == sorted({best.step, 4, 6})

    # The same scores come from the checkpoints themselves.
    assert command("--phase", "evaluate", "--checkpoints", "all", "--metrics", "l1", "--iteration", 6) == 0
    for entry in scores.read(here / "results" / run.path.name)[3:]:
        assert entry.mean("l1").value == pytest.approx(values[entry.step], abs=1e-5)
    capsys.readouterr()
    for phase in ("test", "export"):
        assert command("--phase", phase, "--checkpoint", "best", "--iteration", 6) == 0
        assert f"best/UGATIT_light.model-{best.step}\n" in capsys.readouterr().out
    assert command("--phase", "status", "--iteration", 6) == 0
    assert f"Best        step {best.step}: l1 {best.value:.4g}" in capsys.readouterr().out

    # The last step's score is lost, as by a kill: the same command makes up for it.
    points = json.loads((run.path / "scores.json").read_text())
    points["points"].pop()
    (run.path / "scores.json").write_text(json.dumps(points))
    assert command(*flags) == 0
    output = capsys.readouterr().out
    assert output.count("paired L1 at step ") == 1
    assert "paired L1 at step 6: " in output
    assert run.best().step == best.step
    assert run.best().value == pytest.approx(best.value, abs=1e-5)  # as of the checkpoints above
    assert command(*flags) == 0
    assert "All 6 steps are done" in capsys.readouterr().out

    for path in run.path.glob("*.model-*"):
        path.unlink()
    assert command(*flags) == 1
    assert "holds only the best checkpoint of an earlier training" in capsys.readouterr().err


def test_kid_needs_the_feature_network_before_the_first_step(here, capsys, monkeypatch):
    (here / "small.pb").write_bytes(MAKER["inception_graph"]().SerializeToString())
    flags = ["--iteration", 2, "--save_freq", 4, "--evaluate_freq", 1]
    assert command(*flags, "--features", "nowhere.pb") == 1
    assert "nowhere.pb cannot be used as a feature network: No such file" in capsys.readouterr().err
    assert not list(here.glob("checkpoint/*/*.index"))
    assert command(*flags, "--features", "small.pb") == 0
    assert capsys.readouterr().out.count("KID x 100 at step ") == 2
    assert not list(here.glob("checkpoint/*/best"))


def test_a_score_that_gets_worse_is_told(here, capsys, monkeypatch):
    values = iter(range(1, 100))
    monkeypatch.setattr("ugatit_tf.evaluation.scoring.l1", lambda *_: float(next(values)))
    monkeypatch.setattr(evaluation, "_EVALUATIONS", 2)
    flags = ["--iteration", 4, "--save_freq", 4, "--evaluate_freq", 1, "--keep_best", "l1"]
    assert command(*flags) == 0
    assert capsys.readouterr().out.count("Warning: l1 has got clearly worse: it was ") == 1
    (run,) = map(RunFolder, here.glob("checkpoint/*"))
    assert run.best().step == 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--keep_best", "l1"], "--keep_best needs --evaluate_freq"),
        (["--keep_best", "cam", "--evaluate_freq", 1], "must be one of KID, FID, l1, cycle"),
        (
            ["--keep_best", "l1", "--evaluate_freq", 1, "--dataset", "mine"],
            "mine has no known right translations",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(here, capsys, flags, message):
    for split in ("trainA", "trainB", "testA", "testB"):
        (here / "dataset" / "mine" / split).mkdir(parents=True)
        (here / "dataset" / "mine" / split / "0.png").write_bytes(b"")
    assert command(*flags) == 2
    assert message in capsys.readouterr().err


STEPS = 60
KILLED = ["--dataset", "demo", "--light", "True", "--ch", "2", "--n_res", "1", "--img_size", "32", "--epoch", "1"]
KILLED += ["--iteration", str(STEPS), "--save_freq", "15", "--print_freq", "60", "--log_freq", "5"]
KILLED += ["--evaluate_freq", "10", "--keep_best", "l1", "--max_to_keep", "2"]


def lines_of_scores(run):
    return len(re.findall(r"paired L1 at step", run.output))


def in_the_middle_of_a_score(run):
    run.wait_for(lambda: "Saved step 20 " in run.output)


def just_after_the_best_is_kept(run):
    run.wait_for(lambda: run.output.count("The best so far") > 0 and lines_of_scores(run) > 0)


@pytest.mark.slow
def test_a_training_that_is_killed_twice_keeps_the_same_best(tmp_path, monkeypatch):
    monkeypatch.setitem(KILLS["Run"].start.__globals__, "FLAGS", KILLED)
    undisturbed, killed = (KILLS["Run"](tmp_path / name) for name in ("undisturbed", "killed"))
    for moment in (in_the_middle_of_a_score, just_after_the_best_is_kept):
        killed.start()
        moment(killed)
        killed.kill()
    killed.start()
    killed.finish()
    undisturbed.start()
    undisturbed.finish()
    expected, found = (KILLS["contents"](run, "checkpoint") for run in (undisturbed, killed))
    assert found.keys() == expected.keys()
    different = {path.name for path in expected if found[path] != expected[path]}
    assert not {name for name in different if "best" in name or name == "scores.json"}, different
    bests = [RunFolder(run.checkpoints).best() for run in (undisturbed, killed)]
    assert bests[0] == bests[1]
    assert bests[0].step % 10 == 0
    for run in (undisturbed, killed):
        history = scores.read(run.folder / "results" / run.checkpoints.name)
        values = {entry.step: entry.mean("l1").value for entry in history}
        assert min(values, key=values.get) == bests[0].step
        assert sorted(values) == [10, 20, 30, 40, 50, 60]
