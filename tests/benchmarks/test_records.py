import json
import subprocess

from benchmarks import processes, records

MACHINE = {"cpu": "EPYC", "cores": 2, "memory_gb": 24, "gpu": "", "tensorflow": "2.21.0"}


def test_a_machine_is_described(monkeypatch):
    monkeypatch.setattr(processes, "measure", lambda _: {"gpu": "H100", "tensorflow": "2.21.0", "inter_op_threads": 1})
    machine = records.machine()
    assert machine.keys() == MACHINE.keys()
    assert (machine["gpu"], machine["tensorflow"]) == ("H100", "2.21.0")
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert machine["memory_gb"] >= 1


def test_a_machine_in_a_line():
    assert records.sentence(MACHINE) == "EPYC, 2 cores, 24 GB, TensorFlow 2.21.0"
    assert records.sentence(MACHINE | {"gpu": "H100"}).startswith("H100, EPYC, ")


def test_differences_are_named():
    assert records.differences(MACHINE, dict(MACHINE)) == []
    assert records.differences(MACHINE, MACHINE | {"cores": 16, "gpu": "H100"}) == [
        "cores: 2 here, 16 there",
        "gpu: none here, H100 there",
    ]


def test_the_processors_name(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: AMD EPYC 9R14\nprocessor\t: 1\n")
    assert records._cpu(tmp_path / "cpuinfo") == "AMD EPYC 9R14"
    assert records._cpu(tmp_path / "none")


def test_a_version_is_a_commit_and_whether_files_were_changed(tmp_path):
    assert records.version(tmp_path) == tmp_path.name
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@y"]
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "One"], ["tag", "-a", "v1", "-m", "One"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    version = records.version(tmp_path)
    assert len(version) >= 7
    assert head.startswith(version)
    (tmp_path / "file").write_text("2")
    assert records.version(tmp_path) == f"{version}-dirty"


def test_a_record_is_written_where_its_name_says(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(records, "RESULTS", tmp_path / "results")
    records.write("some", {"cases": {}})
    assert json.loads((tmp_path / "results" / "some.json").read_text()) == {"cases": {}}
    assert capsys.readouterr().out == f"Written to {tmp_path}/results/some.json\n"
