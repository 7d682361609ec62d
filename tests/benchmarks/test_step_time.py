import json

import pytest

from benchmarks import processes, records, step_time
from benchmarks.step_targets import TARGETS, tables
from benchmarks.step_time import CASES, COMPARED, DEMO, NAMES, Case
from ugatit_tf.config import Config

MACHINE = {"cpu": "EPYC", "cores": 2, "memory_gb": 24, "gpu": "", "tensorflow": "2.21.0"}
TINY = {"light": True, "img_size": 32, "ch": 2, "n_res": 1, "n_dis": 4}


def test_every_case_can_be_trained():
    for case in CASES.values():
        Config(**case.config).validate()


def test_targets_are_of_cases_and_bases_of_what_is_compared():
    assert {target.case for target in TARGETS} | {target.over for target in TARGETS} <= {*NAMES, None}
    assert {name for target in TARGETS if target.in_base for name in (target.case, target.over)} < set(COMPARED)


def test_figures_follow_from_what_is_measured(monkeypatch):
    def measure(specification, root):
        assert root == "here"
        told = {"config": CASES["batch 4"].config, "repeats": 5, "convolutions": True}
        assert specification == told | {"work": specification["work"]}
        process = {"inter_op_threads": 2, "intra_op_threads": 1, "gpu": ""}
        if specification["work"] == "training":
            return process | {"seconds": 2.0, "start_s": 9.0, "gflops": 100.0, "peak_gb": 4.0}
        return process | {"seconds": 0.5, "start_s": 1.0, "gflops": 50.0, "peak_gb": 1.0, "inter_op_threads": 1}

    monkeypatch.setattr(processes, "measure", measure)
    monkeypatch.setattr(step_time.flops, "of_translation", lambda config: config.batch_size * 1e10)
    monkeypatch.setattr(step_time.flops, "of_step", lambda config: config.batch_size * 2e10)
    of_translation = {"translation_s": 0.5, "translation_ratio": 0.625, "images_per_s": 8.0}
    assert step_time.figures("batch 4", "here") == of_translation | {
        "step_s": 2.0,
        "step_s_per_image": 0.5,
        "step_ratio": 2.5,
        "start_s": 9.0,
        "start_less_step_s": 7.0,
        **{"gflops": 100.0, "peak_gb": 4.0, "inter_op_threads": 2, "intra_op_threads": 1},
    }
    monkeypatch.setitem(CASES, "no training", CASES["batch 4"]._replace(training=False))
    assert step_time.figures("no training", "here") == of_translation | {
        **{"gflops": 50.0, "peak_gb": 1.0, "inter_op_threads": 1, "intra_op_threads": 1},
    }


@pytest.mark.parametrize(("name", "turns"), [("light", 2), (DEMO, 3)])
def test_checkouts_take_turns(name, turns, monkeypatch):
    seen = []

    def figures(case, root):
        seen.append((case, root))
        return {"step_s": float(len(seen) ** 2), "gpu": "", "inter_op_threads": 1}

    monkeypatch.setattr(step_time, "figures", figures)
    rows = step_time.in_turns(name, ["A", "B"], 2)
    assert seen == [(name, "A"), (name, "B")] * turns
    medians = {2: [(1 + 9) / 2, (4 + 16) / 2], 3: [9, 16]}[turns]
    assert rows == [{"step_s": median, "gpu": "", "inter_op_threads": 1} for median in medians]


def test_targets_compare_the_cases_that_were_measured():
    light = {"gflops": 200.0, "start_s": 20.0, "step_s": 12.0, "step_s_per_image": 12.0, "step_ratio": 1.2}
    light |= {"start_less_step_s": 8.0, "peak_gb": 4.4}
    results = {"light": light, "bfloat16": {"step_s": 6.0}, "batch 4": {"step_s_per_image": 9.0}}
    lines = tables(results, {}).splitlines()
    assert lines[2] == "| light | 200.00 | 20.00 | 12.00 | 1.20 |  |  | 4.40 |"
    assert lines[-5:] == [
        "| step, float32, over its convolutions | 1.20 | 1.1 |",
        "| step, bfloat16 / float32 | 0.50 | 0.55 |",
        "| train step at batch 4 / batch 1, per image | 0.75 | 0.9 |",
        "| start to end of first step, less a step, s | 8.00 | 10 |",
        "| peak, light, GB | 4.40 | 6 |",
    ]


def test_figures_have_their_ratios_to_the_bases_beside_them():
    results = {"64 px, ch 16": {"step_s": 0.0583, "peak_gb": 1.5}, "bfloat16": {"step_s": 3.0}, DEMO: {"start_s": 5.0}}
    base = {"64 px, ch 16": {"step_s": 0.1166}, "light": {"step_s": 5.0}}
    lines = tables(results, base).splitlines()
    assert lines[2] == "| 64 px, ch 16 |  |  | 0.058 (0.50) |  |  |  | 1.50 |"
    assert lines[-3:] == [
        "| step, 64 px, ch 16, over base | 0.50 | 0.4 |",
        "| step, bfloat16, over base's float32 | 0.60 | 0.62 |",
        "| start of the demo's command to end of its first step, s | 5.00 | 6 |",
    ]


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Lets checkouts take a second a step here, and 4 elsewhere; one case fails."""

    def figures(name, root):
        if name == "full":
            raise processes.MeasurementError("out of memory")
        return {"step_s": 1.0 if root == processes.ROOT else 4.0}

    monkeypatch.setattr(step_time, "figures", figures)
    monkeypatch.setattr(records, "machine", lambda: MACHINE)
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return tmp_path / "step_time.json"


def test_a_run_is_compared_with_an_earlier_one(fakes, capsys):
    assert step_time.main(["light"]) == 0
    assert "over base" not in capsys.readouterr().out
    earlier = fakes.with_name("earlier.json")
    record = json.loads(fakes.read_text())
    record["cases"]["light"]["step_s"] = 2.0
    earlier.write_text(json.dumps(record))
    assert step_time.main(["light", "--base", str(earlier)]) == 0
    output = capsys.readouterr().out
    assert "| step, light, over base | 0.50 | 0.85 |" in output
    assert "Warning" not in output
    assert json.loads(fakes.read_text())["base"] == record
    earlier.write_text(json.dumps(record | {"machine": MACHINE | {"cores": 16}}))
    step_time.main(["light", "--base", str(earlier)])
    assert "Warning: that was measured on another machine: cores: 2 here, 16 there" in capsys.readouterr().out


def test_another_checkout_is_measured_in_the_same_run(fakes, tmp_path, capsys):
    (tmp_path / "other" / "ugatit_tf").mkdir(parents=True)
    assert step_time.main(["light", "--against", str(tmp_path / "other")]) == 0
    output = capsys.readouterr().out
    assert "In brackets: ratios to version other\n" in output
    assert "| 1.00 (0.25) |" in output
    record = json.loads(fakes.read_text())
    assert record["version"] == records.version(processes.ROOT)
    assert record["base"]["cases"]["light"]["step_s"] == 4.0


def test_a_case_that_fails_ends_no_other(fakes, capsys):
    assert step_time.main(["full", "light"]) == 1
    assert "full: out of memory" in capsys.readouterr().err
    assert list(json.loads(fakes.read_text())["cases"]) == ["light"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "no such case: none"),
        (["--against", "{tmp}"], "{tmp} is no checkout of this project"),
        (["--base", "{tmp}/none.json"], "{tmp}/none.json is not what this benchmark writes: FileNotFoundError"),
        (["--base", "{tmp}/list.json"], "{tmp}/list.json is not what this benchmark writes: TypeError"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(arguments, message, tmp_path, capsys):
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(SystemExit) as stop:
        step_time.main([argument.format(tmp=tmp_path) for argument in arguments])
    assert stop.value.code == 2
    assert message.format(tmp=tmp_path) in capsys.readouterr().err


@pytest.mark.slow
def test_measures_two_checkouts(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(CASES, "light", Case(TINY, repeats=1, training=True))
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    assert step_time.main(["light", "--turns", "1", "--against", str(processes.ROOT)]) == 0
    record = json.loads((tmp_path / "step_time.json").read_text())
    assert {"cpu", "cores", "memory_gb", "gpu", "tensorflow"} == record["machine"].keys()
    for cases in (record["cases"], record["base"]["cases"]):
        assert all(cases["light"][name] > 0 for name in ("step_s", "start_s", "translation_s", "gflops", "peak_gb"))
        assert {"inter_op_threads", "intra_op_threads"} < cases["light"].keys()
    assert "| step, light, over base |" in capsys.readouterr().out
