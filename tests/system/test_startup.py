"""A process that sets itself up and loads TensorFlow, or a stand-in for it that does what is asked for."""

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ugatit_tf.system import startup

ROOT = Path(startup.__file__).parents[2]
STAND_IN = """
import os, signal
from types import SimpleNamespace
os.write(2, b"noise of loading\\n")
config = SimpleNamespace(list_physical_devices=lambda kind: os.write(2, b"noise of looking\\n") and {devices})
{at_last}
"""
LOAD = """
import os
from ugatit_tf.system import startup
startup.configure()
startup.load_tensorflow()
os.write(2, b"after\\n")
"""
NOISE = "noise of loading\nnoise of looking\n"


@pytest.fixture
def run(tmp_path):
    """Runs a program, in which `tensorflow` is the stand-in, on a machine with or without a driver for GPUs."""

    def run(at_last="", *, program=LOAD, devices="[]", driver=False, visible=None):
        (tmp_path / "tensorflow.py").write_text(STAND_IN.format(at_last=at_last, devices=devices))
        if driver:
            (tmp_path / "nvidia-smi").touch(mode=0o755)
        environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": f"{tmp_path}:/bin"}
        if visible is None:
            environment.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            environment["CUDA_VISIBLE_DEVICES"] = visible
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_what_tensorflow_writes_when_all_is_well_is_not_shown(run):
    done = run(visible="")
    assert (done.returncode, done.stderr) == (0, "after\n")


def test_much_text_does_not_block(run):
    done = run("os.write(2, b'x' * 1_000_000)", visible="")
    assert (done.returncode, done.stderr) == (0, "after\n")


def test_an_error_while_loading_comes_after_the_text(run):
    done = run("raise ImportError('no libcudart')")
    assert done.returncode == 1
    assert done.stderr.startswith("noise of loading\nTraceback")
    assert done.stderr.endswith("ImportError: no libcudart\n")


@pytest.mark.parametrize(("number", "reason"), [(signal.SIGABRT, "Aborted"), (signal.SIGILL, "Illegal instruction")])
def test_a_crash_while_loading_says_why(run, number, reason):
    done = run(f"os.kill(os.getpid(), {int(number)})")
    assert done.returncode == -number
    assert f"Fatal Python error: {reason}" in done.stderr
    assert "tensorflow.py" in done.stderr


@pytest.mark.parametrize(
    ("devices", "visible", "shown"), [("[]", None, True), ("[]", "0", True), ("['GPU:0']", None, False)]
)
@pytest.mark.parametrize("hidden", [False, True])
def test_a_gpu_that_tensorflow_does_not_find_shows_the_text(run, devices, visible, shown, hidden):
    done = run(devices=devices, driver=True, visible="-1" if hidden else visible)
    assert done.stderr == (NOISE if shown and not hidden else "") + "after\n"


def test_what_a_training_prints_meanwhile_is_shown(run):
    program = LOAD.replace("startup.load", "with terminal.outlived():\n    startup.load").replace(
        "import startup", "import startup, terminal"
    )
    done = run("import sys; print('a warning', file=sys.stderr); sys.stderr.flush()", program=program, visible="")
    assert done.stderr == "a warning\nafter\n"


def test_a_process_without_stderr_loads_it_too(tmp_path):
    (tmp_path / "tensorflow.py").write_text("print('loaded')")
    program = "from ugatit_tf.system import startup; startup.configure(); startup.load_tensorflow(); import tensorflow"
    command = f"exec {sys.executable} -c '{program}'"
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(["sh", "-c", f"{command} 2>&-"], env=environment, stdout=subprocess.PIPE, check=True)
    assert done.stdout == b"loaded\n"


def test_warnings_of_pillow_that_name_no_file_are_not_shown():
    program = (
        "import io, warnings\n"
        "from PIL import Image\n"
        "from ugatit_tf.system import startup\n"
        "startup.configure()\n"
        "file = io.BytesIO()\n"
        "Image.new('L', (9, 9)).save(file, 'JPEG', exif=b'Exif\\0\\0II*\\0\\xff\\xff\\xff\\xff')\n"
        "Image.open(file).getexif()\n"
        "warnings.warn('others are')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == "<string>:8: UserWarning: others are\n"


def test_objects_that_stay_are_seldom_searched_for_garbage(run):
    done = run(
        program="import gc\nfrom ugatit_tf.system import startup\nstartup.configure()\nprint(gc.get_threshold()[0])"
    )
    assert (int(done.stdout), done.stderr) == (50_000, "")


def test_the_package_logs_to_the_streams_of_the_moment(capsys, caplog):
    startup.configure()
    startup.configure()  # as a second command in the same process does
    log = logging.getLogger("ugatit_tf.inference.jobs")
    log.info("Pictures: %d%%", 50)
    log.debug("nothing")
    log.warning("Skipping %s", "a.png")
    assert capsys.readouterr() == ("Pictures: 50%\n", "Warning: Skipping a.png\n")
    assert not caplog.messages  # of the root logger, which TensorFlow gives a handler
    with pytest.raises(BrokenPipeError), contextlib.redirect_stdout(_Closed()):
        log.info("nobody reads this")


class _Closed(io.StringIO):
    """A pipe whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError
