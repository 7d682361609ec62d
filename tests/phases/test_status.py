import dataclasses
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ugatit_tf.checkpoints import bundle
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.errors import RunError
from ugatit_tf.phases import status as phase
from ugatit_tf.runs import status
from ugatit_tf.runs.status import Alarm, Status
from ugatit_tf.system import lock

ROOT = Path(__file__).parents[2]
STATUS = Status(
    step=12340,
    total_steps=1_000_000,
    iteration=10_000,
    steps_per_second=2.5,
    metrics={
        "discriminator_A/local": 0.5,
        "discriminator_A/global": 0.25,
        "d_loss": 3.25,
        "generator_B/cam": 0.6931,
        "g_loss": None,
    },
    warnings=(Alarm("slow", 8000, "steps have got slow."), Alarm("A2B_copies", 9000, "A2B gives back its input.")),
    memory={},
    written=0.0,
)


@pytest.fixture
def write_run(tiny_config):
    """Writes a run's folder with a checkpoint for each of these steps; returns the folder."""

    def write(*steps, current=STATUS):
        RunFolder(tiny_config.run_checkpoint_dir).save_config(tiny_config)
        for step in steps:
            bundle.write(tiny_config.run_checkpoint_dir / f"UGATIT_light.model-{step}", {"a": [1.0], "b": [2, 3]})
        if current:
            status.write(tiny_config.run_checkpoint_dir, dataclasses.replace(current, written=time.time() - 75))
        return tiny_config.run_checkpoint_dir

    return write


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_run_that_has_a_status(write_run, tiny_config, capsys):
    folder = write_run(9000, 12000)
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    phase.run(tiny_config, phase.Options())
    printed = lines(capsys)
    assert printed[:4] == [
        f"Run         {folder}",
        "Now         not running",
        "Step        12,340 of 1,000,000 (1.2%), epoch 2 of 100",
        "Rate        2.5 steps/s, about 4 days, 13:44:24 left",
    ]
    assert printed[4].startswith("As of       ")
    assert printed[4].endswith(", 0:01:15 ago")
    assert printed[5:10] == [
        "Losses      d_loss 3.25, g_loss not finite",
        "            discriminator_A: local 0.5, global 0.25",
        "            generator_B: cam 0.6931",
        "Warnings    step 8,000: steps have got slow.",
        "            step 9,000: A2B gives back its input.",
    ]
    assert printed[10].startswith("Checkpoint  UGATIT_light.model-12000, saved ")
    assert printed[11].startswith("Check       reading ")
    assert printed[12] == "            intact: everything matches its checksum"
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]} == before


def test_a_young_run(write_run, tiny_config, capsys):
    write_run(current=dataclasses.replace(STATUS, step=1, steps_per_second=None, warnings=()))
    phase.run(tiny_config, phase.Options())
    printed = lines(capsys)
    assert printed[2:4] == ["Step        1 of 1,000,000 (0.0%), epoch 1 of 100", "Rate        not known yet"]
    assert printed[-2:] == ["Warnings    none", "Checkpoint  none yet"]


def test_a_run_that_is_complete(write_run, tiny_config, capsys):
    write_run(current=dataclasses.replace(STATUS, step=STATUS.total_steps))
    phase.run(tiny_config, phase.Options())
    assert lines(capsys)[2:4] == [
        "Step        1,000,000 of 1,000,000 (100.0%), epoch 100 of 100",
        "Rate        2.5 steps/s, complete",
    ]


def test_a_folder_without_a_status_tells_what_it_can(write_run, tiny_config, capsys):
    folder = write_run(7, current=None)
    phase.run(tiny_config, phase.Options())
    printed = lines(capsys)
    assert printed[2] == "Step        7 of 8, by the newest checkpoint"
    assert "no readable status.json" in printed[3]
    assert printed[-1].endswith("intact: everything matches its checksum")
    (folder / "config.json").write_text("{")
    phase.run(tiny_config, phase.Options())
    assert lines(capsys)[2] == "Step        7 of an unknown number, by the newest checkpoint"


def test_whether_it_is_running_is_in_its_lock(write_run, tiny_config, capsys):
    folder = write_run()
    phase.run(tiny_config, phase.Options())
    assert lines(capsys)[1] == "Now         not running"
    with lock.hold(folder):
        phase.run(tiny_config, phase.Options())
    assert lines(capsys)[1].startswith(f"Now         running: process {os.getpid()} on ")
    (folder / lock.LOCK_FILE).touch()  # a crash leaves it
    phase.run(tiny_config, phase.Options())
    assert lines(capsys)[1] == "Now         not running"


def test_a_damaged_checkpoint_is_told(write_run, tiny_config, capsys):
    data = write_run(7) / "UGATIT_light.model-7.data-00000-of-00001"
    values = bytearray(data.read_bytes())
    values[0] ^= 1
    data.write_bytes(values)
    phase.run(tiny_config, phase.Options())
    assert lines(capsys)[-1].startswith("            DAMAGED: ")


def test_a_checkpoint_that_the_run_deletes_meanwhile_is_no_damage(write_run, tiny_config, capsys, monkeypatch):
    folder = write_run(7)

    def vanish(_):
        (folder / "UGATIT_light.model-7.index").unlink()
        raise RunError("no such file")

    monkeypatch.setattr(bundle.Bundle, "verify", vanish)
    phase.run(tiny_config, phase.Options())
    assert "replaced meanwhile" in lines(capsys)[-1]


def test_a_checkpoint_that_goes_before_it_is_looked_at_gives_way_to_the_next(
    write_run, tiny_config, capsys, monkeypatch
):
    write_run(7)
    found = iter([tiny_config.run_checkpoint_dir / f"UGATIT_light.model-{step}" for step in (6, 7)])
    monkeypatch.setattr(phase, "_newest", lambda folder: next(found))
    phase.run(tiny_config, phase.Options())
    assert lines(capsys)[-3].startswith("Checkpoint  UGATIT_light.model-7, saved ")


def test_no_such_run_names_those_there_are(write_run, tiny_config):
    there = write_run(7).name
    other = dataclasses.replace(tiny_config, gan_type="hinge")
    (Path(tiny_config.checkpoint_dir) / "notes").mkdir()
    with pytest.raises(RunError, match=f"There is no run in .*_hinge_.* There are {there}\\.$"):
        phase.run(other, phase.Options())
    for index in range(12):
        shutil.copytree(tiny_config.run_checkpoint_dir, Path(tiny_config.checkpoint_dir) / f"A{index:02}")
    with pytest.raises(RunError, match=r"There are A00, .*, A09, and 3 more\.$"):
        phase.run(other, phase.Options())
    for nowhere in (tiny_config.sample_dir, __file__):
        with pytest.raises(RunError, match="There is none in"):
            phase.run(dataclasses.replace(tiny_config, checkpoint_dir=str(nowhere)), phase.Options())


def test_from_the_command_line_and_without_tensorflow(write_run, tiny_config):
    write_run()
    program = """
import sys, main
code = main.main(sys.argv)
print(code, {"tensorflow", "keras"} & set(sys.modules) or "none")
"""
    flags = [f"--{name}={value}" for name, value in dataclasses.asdict(tiny_config).items() if name != "phase"]

    def ask(*more):
        return subprocess.run(
            [sys.executable, "-c", program, "--phase", "status", *flags, *more],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    done = ask()
    assert done.stdout.splitlines()[-2:] == ["Checkpoint  none yet", "0 none"], done.stderr
    done = ask("--dataset=other")
    assert done.stdout == "1 none\n"
    assert done.stderr.startswith("-c: There is no run in ")
    assert done.stderr.count("\n") == 1
