"""What Windows lacks is taken away from a process, which then trains, tests and translates all the same."""

import os
import subprocess
import sys
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.config import Config
from ugatit_tf.data import sources
from ugatit_tf.errors import RunError
from ugatit_tf.inference import jobs

ROOT = Path(__file__).parents[1]
# psutil comes first, as its modules differ by system: that of Linux needs `resource`, that of Windows does not.
PRELUDE = """
import sys, warnings, psutil

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

MODULES = ("fcntl", "resource", "termios", "pwd", "grp")
for module in MODULES:
    sys.modules.pop(module, None)
sys.meta_path.insert(0, Missing())
warnings.filterwarnings("ignore", message="only soft file lock is available")

import os, signal
for name in ("SIGHUP", "SIGPIPE"):
    delattr(signal, name)
for name in ("pread", "pwrite", "fork", "fchmod", "sched_getaffinity", "getuid", "O_NOFOLLOW", "openpty"):
    delattr(os, name)

from ugatit_tf.__main__ import main
"""


@pytest.fixture
def run(tmp_path):
    """Runs a program after the prelude, in a folder whose name has a space and Hangul; returns what it printed."""
    place = tmp_path / "my folder 얼굴"
    place.mkdir()

    def run(program, **environment):
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + program],
            cwd=place,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252"} | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run.place = place
    return run


def test_help_needs_nothing_of_linux(run):
    assert "--dataset" in run('raise SystemExit(main(["main.py", "--help"]))')


def test_a_training_its_test_and_a_translation_need_nothing_of_linux(run):
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        place = run.place / "dataset" / "나의 사진" / split / "sub folder"
        place.mkdir(parents=True)
        for number in range(2):
            Image.fromarray(rng.integers(256, size=(32, 32, 3), dtype="u1")).save(place / f"얼굴 {number}.png")
    program = """
from ugatit_tf.data import cache
cache.psutil = type("", (), {"virtual_memory": staticmethod(lambda: type("", (), {"available": 0}))})  # a cache on disk
run = ["--dataset", "나의 사진", "--light", "True", "--ch", "2", "--n_res", "1", "--img_size", "32", "--epoch", "1"]
run += ["--iteration", "2"]
assert main(["main.py", "--phase", "train", *run]) == 0
assert main(["main.py", "--phase", "test", *run[:10]]) == 0
inputs = "dataset/나의 사진/testA"
assert main(["main.py", "--phase", "translate", *run[:10], "--input", inputs, "--output", "결과 folder"]) == 0
assert main(["main.py", "--phase", "status", *run[:10]]) == 0
"""
    printed = run(program)
    assert "Training is complete." in printed
    assert "\nNow         not running\n" in printed
    results = run.place / "결과 folder" / "A2B" / "sub folder"
    assert sorted(path.name for path in results.iterdir()) == ["얼굴 0.png", "얼굴 1.png"]
    assert not [path for path in run.place.rglob(".*") if path.suffix in (".tmp", ".lock") or path.name == ".lock"]
    assert not list(run.place.glob("\\x*"))


def test_results_keep_their_folders_on_windows(monkeypatch):
    monkeypatch.setattr(jobs, "PurePath", PureWindowsPath, raising=False)  # what the name stands for there
    assert jobs._results(["a b/얼굴.jpg", "a b/c/y.gif", "z.jpg"], lambda _: ".png") == {
        "a b/얼굴.jpg": "a b/얼굴.png",
        "a b/c/y.gif": "a b/c/y.png",
        "z.jpg": "z.png",
    }


@pytest.mark.parametrize("dataset", ["C:\\my data\\faces", "D:faces", "C:/faces"])
def test_a_drive_letter_is_no_source(dataset, tmp_path):
    config = Config(dataset=dataset, dataset_dir=str(tmp_path))
    assert not set(config.model_dir) & set('<>:"/\\|?* ')
    with pytest.raises(RunError, match="lacks images: looked in"):  # of a folder, that is
        sources.open_splits(config, ("trainA",))
