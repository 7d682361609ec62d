import json

import pytest

from benchmarks import processes, records, tune
from benchmarks.tune import Row, advice, search, settings, table
from ugatit_tf.config import Config
from ugatit_tf.flags import Command
from ugatit_tf.phases import train

MACHINE = {"cpu": "EPYC", "cores": 16, "memory_gb": 128, "gpu": "H100", "tensorflow": "2.21.0"}
CPU = MACHINE | {"gpu": ""}


def rows_of(times, machine=MACHINE, threads="16x1", fastest="2x8", **given):
    """What a search finds where the time of a step, or why it fails, is told by a function of a configuration.

    `threads` are those of a run that is not told any; `fastest` are those that halve a time on a CPU.
    """

    def measure(training):
        seconds = times(training.config)
        if isinstance(seconds, str):
            raise processes.MeasurementError(seconds)
        taken = training.options.threads or threads
        seconds *= 0.5 if (taken, machine["gpu"]) == (fastest, "") else 1
        at_once, cores = taken.split("x")
        return {"seconds": seconds, "inter_op_threads": int(at_once), "intra_op_threads": int(cores)}

    config = Config(**{"light": True, "img_size": 64, "n_dis": 5} | given)
    return list(search(Command(train, config, train.Options(), ""), settings(machine), measure))


def test_one_setting_after_the_other_is_tried_around_the_fastest_so_far():
    def times(config):
        time = {"float32": 0.1, "bfloat16": 0.08, "float16": 0.06}[config.precision]
        time *= 1.2 if config.jit else 1
        time *= 0.9 if config.steps_per_call == 10 else 1
        return time * {1: 1, 4: 2, 8: 3.99}[config.batch_size]

    rows = rows_of(times)
    assert [row.flags for row in rows] == [
        "",
        "--precision bfloat16",
        "--precision float16",
        "--precision float16 --jit True",
        "--precision float16 --steps_per_call 10",
        "--precision float16 --steps_per_call 10 --batch_size 4",
        "--precision float16 --steps_per_call 10 --batch_size 8",
    ]
    assert [row.images_per_s for row in rows[-2:]] == [4 / rows[-2].step_s, 8 / rows[-1].step_s]
    assert advice(rows) == (
        "Take: --precision float16 --steps_per_call 10\n\n"
        "2.01 times the images a second, but by another training: "
        "--precision float16 --steps_per_call 10 --batch_size 8"
    )


def test_what_was_given_is_where_it_starts_and_is_not_measured_again():
    given = {"precision": "bfloat16", "jit": True, "batch_size": 2}
    rows = rows_of(lambda config: 0.1 if config.precision == "bfloat16" and config.jit else 0.2, **given)
    tried = ["--precision float32", "--precision float16", "--jit False", "--steps_per_call 10"]
    assert [row.flags for row in rows][1:5] == tried
    assert [row.batch_size for row in rows[5:]] == [8, 16, 32, 64]
    assert advice(rows[:5]) == "Take: no more than the flags given"


def test_a_gain_that_may_be_chance_is_none():
    rows = rows_of(lambda config: config.batch_size * (0.1 if config.precision == "float32" else 0.099))
    assert [row.flags for row in rows if row.batch_size > 1] == ["--batch_size 4"]
    assert advice(rows) == "Take: no more than the flags given"


def test_a_larger_batch_is_never_advised_as_the_same_training():
    rows = rows_of(lambda config: 0.1 if config.batch_size == 1 else 0.09)  # so little work that both take the same
    assert advice(rows).startswith("Take: no more than the flags given\n")


def test_calls_of_several_steps_are_tried_where_a_step_is_short():
    assert not any("steps_per_call" in row.changes for row in rows_of(lambda _: 0.3))
    assert any("steps_per_call" in row.changes for row in rows_of(lambda _: 0.2))


def test_what_fails_is_a_row_and_not_an_end():
    def times(config):
        if config.jit:
            return "not done after 600 s"
        return "out of memory" if config.batch_size > 4 else 0.1

    rows = rows_of(times)
    assert [(row.flags, row.failure) for row in rows if row.failure] == [
        ("--jit True", "not done after 600 s"),
        ("--batch_size 8", "out of memory"),
    ]
    assert advice(rows).startswith("Take: no more than the flags given\n\n4.00 times the images a second")


def test_less_memory_is_tried_where_there_was_too_little():
    rows = rows_of(lambda config: 0.1 if config.recompute and config.batch_size == 1 else "out of memory")
    assert [row.flags for row in rows[:3]] == ["", "--recompute True", "--recompute True --precision bfloat16"]
    assert advice(rows) == "Take: --recompute True"
    assert all("recompute" not in row.changes for row in rows_of(lambda _: 0.1))


def test_where_nothing_can_be_measured_it_says_so():
    rows = rows_of(lambda _: "killed")
    assert {row.failure for row in rows} == {"killed"}
    assert not any("batch_size" in row.changes for row in rows)
    assert advice(rows) == "Take: nothing of these, as none could be measured."


@pytest.mark.parametrize(
    ("own", "fastest", "tried"),
    [
        ("2x8", "2x8", ["1x16", "4x4"]),
        ("2x8", "1x16", ["1x16", "4x4"]),
        ("1x16", "2x8", ["2x8", "4x4"]),
        ("16x1", "2x8", ["1x16", "2x8", "4x4"]),
    ],
)
def test_threads_that_a_run_does_not_choose_itself_are_tried_on_a_cpu(own, fastest, tried):
    rows = rows_of(lambda config: 1.0 if config.precision == "float32" else 2.0, CPU, own, fastest)
    assert [row.changes["threads"] for row in rows if row.changes.keys() == {"threads"}] == tried
    best = "no more than the flags given" if own == fastest else f"--threads {fastest}"
    assert advice([row for row in rows if row.batch_size == 1]) == f"Take: {best}"
    assert not any("threads" in row.changes for row in rows_of(lambda _: 1.0, MACHINE, own))


def test_threads_and_precisions_are_those_of_the_machine():
    assert dict(settings(CPU | {"cores": 3}))["threads"] == ("1x3", "2x1")
    assert "float16" in dict(settings(MACHINE))["precision"]
    assert "float16" not in dict(settings(CPU))["precision"]


def test_the_table_is_markdown():
    rows = [
        Row({}, 2, figures={"seconds": 0.5, "peak_gb": 3.21, "gpu_peak_gb": 7.0}),
        Row({"jit": True}, 2, failure="ValueError: a | b"),
        Row({"batch_size": 4}, 4, figures={"seconds": 0.864, "peak_gb": 3.0}),
    ]
    assert table(rows).splitlines()[2:] == [
        "| none | 0.5 | 4 | 3.2 | 7.0 | 5.8 |",
        "| `--jit True` | failed: ValueError: a / b |  |  |  |  |",
        "| `--batch_size 4` | 0.864 | 4.63 | 3.0 |  | 10.0 |",
    ]
    assert {line.count("|") for line in table(rows).splitlines()} == {7}


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    """Lets each combination be told, and take a second; gives those told."""
    told = []

    def measure(specification, *, limit):
        told.append((specification, limit))
        return {"seconds": float(specification["config"]["batch_size"]), "peak_gb": 3.0}

    monkeypatch.setattr(processes, "measure", measure)
    monkeypatch.setattr(records, "machine", lambda: MACHINE)
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    return told


def test_flags_of_a_training_are_taken(fakes, tmp_path, capsys):
    flags = ["--img_size", "64", "--light", "True", "--ch", "16", "--gan_type=hinge", "--threads", "2x4"]
    assert tune.main([*flags, "--limit", "7"]) == 0
    specification, limit = fakes[0]
    assert limit == 7
    assert (specification["work"], specification["threads"]) == ("training", "2x4")
    config = Config(**specification["config"])
    assert (config.img_size, config.light, config.ch, config.gan_type, config.n_dis) == (64, True, 16, "hinge", 5)
    assert [spec["config"]["precision"] for spec, _ in fakes[:3]] == ["float32", "bfloat16", "float16"]
    output = capsys.readouterr()
    assert output.out.startswith(
        f"`--phase train {' '.join(flags)}` on H100, EPYC, 16 cores, 128 GB, TensorFlow 2.21.0"
    )
    assert "| none | 1 | 1 | 3.0 |  | 11.6 |" in output.out
    assert "as given: 1 s a step" in output.err
    record = json.loads((tmp_path / "tune.json").read_text())
    assert (record["machine"], record["given"]) == (MACHINE, flags)
    assert record["rows"][0] == {
        "changes": {},
        "batch_size": 1,
        "figures": {"seconds": 1.0, "peak_gb": 3.0},
        "failure": "",
    }


def test_ctrl_c_prints_what_is_there(fakes, monkeypatch, capsys):
    measure = processes.measure

    def interrupted(*args, **kwargs):
        if len(fakes) == 2:
            raise KeyboardInterrupt
        return measure(*args, **kwargs)

    monkeypatch.setattr(processes, "measure", interrupted)
    assert tune.main(["--light", "True"]) == 130
    output = capsys.readouterr().out
    assert "| `--precision bfloat16` | 1 |" in output
    assert "Take: no more than the flags given" in output


def test_where_all_fails_so_does_the_command(fakes, monkeypatch, capsys):
    def fail(*_, **__):
        raise processes.MeasurementError("out of memory")

    monkeypatch.setattr(processes, "measure", fail)
    assert tune.main([]) == 1
    assert "Take: nothing" in capsys.readouterr().out
    monkeypatch.setattr(records, "machine", fail)
    assert tune.main([]) == 1
    assert capsys.readouterr().err == "python -m benchmarks.tune: out of memory\n"


@pytest.mark.parametrize("flags", [["--phase", "test"], ["--img_size", "30"], ["--lihgt", "True"], ["surplus"]])
def test_a_mistake_is_one_line(flags, fakes, capsys):
    assert tune.main(flags) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n"), fakes) == ("", 1, [])


@pytest.mark.slow
def test_measures_for_real(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    monkeypatch.setattr(tune, "settings", lambda machine: [("gan_type", ("no such",))])
    monkeypatch.setattr(tune, "_MORE_IMAGES", 1000)  # one larger batch
    assert tune.main(["--light", "True", "--img_size", "32", "--ch", "2", "--n_res", "1"]) == 0
    rows = json.loads((tmp_path / "tune.json").read_text())["rows"]
    assert [row["changes"] for row in rows] == [{}, {"gan_type": "no such"}, {"batch_size": 4}]
    assert rows[1]["failure"].startswith("ValueError: Unknown gan_type 'no such'")
    assert all(rows[index]["figures"][name] > 0 for index in (0, 2) for name in ("seconds", "start_s", "peak_gb"))
    assert "Take: " in capsys.readouterr().out
