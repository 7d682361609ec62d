import json

import pytest

from benchmarks import processes, records, scaling

TINY = ["--light", "True", "--img_size", "32", "--ch", "2", "--n_res", "1", "--batch_size", "3"]


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_the_numbers_of_devices_double(most, expected):
    assert scaling.counts(most) == expected


def test_a_table_tells_speed_and_exchange(monkeypatch, tmp_path, capsys):
    asked = []

    def measure(specification):
        if not specification:
            return {"gpu": "", "tensorflow": "2"}
        asked.append((len(specification["devices"]), specification["config"]["batch_size"]))
        if len(specification["devices"]) == 4:
            raise processes.MeasurementError("out of memory")
        return {
            "seconds": {1: 1.0, 2: 1.25}[len(specification["devices"])] if specification.get("exchange", True) else 1.0
        }

    monkeypatch.setattr(processes, "measure", measure)
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    assert scaling.main(["--devices", "4", *TINY]) == 1
    output = capsys.readouterr().out
    assert "| 1 | 3 | 1 | 6 | 1.00 | 0% |" in output
    assert "| 2 | 6 | 1.25 | 9.6 | 1.60 | 20% |" in output
    assert "| 4 | | | | | out of memory |" in output
    assert asked == [(1, 3), (2, 6), (2, 6), (4, 12)]
    assert json.loads((tmp_path / "scaling.json").read_text())["rows"][1]["exchange"] == pytest.approx(0.2)


def test_without_a_gpu_it_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(processes, "run", lambda *_: "0\n")
    assert scaling.main(TINY) == 2
    assert "--devices 2 takes the CPU for two" in capsys.readouterr().err


@pytest.mark.slow
def test_parts_of_a_cpu_are_measured(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    assert scaling.main(["--devices", "2", *TINY]) == 0
    rows = json.loads((tmp_path / "scaling.json").read_text())["rows"]
    assert [(row["devices"], row["batch_size"]) for row in rows] == [(1, 3), (2, 6)]
    assert all(row["step_s"] > 0 and 0 <= row["exchange"] < 1 for row in rows)
