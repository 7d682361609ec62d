"""Settings of Keras that a user may have, each in a process of its own, as Keras reads them when it is loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from ugatit_tf import UGATIT, Config, Generator, load_generator
from ugatit_tf.errors import UsageError

ROOT = Path(__file__).parents[2]
SETTINGS = [
    {"image_data_format": "channels_first"},
    {"floatx": "float16"},
    {"floatx": "float64"},
    {"floatx": "bfloat16"},  # which Keras itself refuses to load with
    {"backend": "torch"},
]
BUILD = """
from ugatit_tf import UGATIT, Config
UGATIT(Config(light=True, img_size=32, ch=2, n_res=1, n_dis=4))
"""
LOAD = "import ugatit_tf; ugatit_tf.load_generator('nowhere')"


@pytest.fixture
def run(tmp_path):
    def run(program, settings, **environment):
        (tmp_path / "keras.json").write_text(json.dumps(settings))
        return subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(tmp_path)} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_command_takes_none_of_them(run):
    program = """
from ugatit_tf.system import startup
startup.configure()
import keras
print(keras.config.backend(), keras.config.floatx(), keras.config.image_data_format(), keras.config.epsilon())
"""
    settings = {name: value for each in SETTINGS for name, value in each.items()} | {"epsilon": 0.5}
    done = run(program, settings, KERAS_BACKEND="jax")
    assert done.stdout == "tensorflow float32 channels_last 1e-07\n", done.stderr


@pytest.mark.parametrize("program", [BUILD, LOAD])
@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({"image_data_format": "channels_first"}, "set_image_data_format('channels_last');"),
        ({"floatx": "float16"}, "set_floatx('float32') and keras.config.set_dtype_policy('float32');"),
    ],
)
def test_the_library_says_what_it_needs(run, program, settings, needed):
    message = run(program, settings).stderr.strip().rpartition("\n")[2]
    assert message.startswith("ugatit_tf.errors.UsageError: The networks of ugatit_tf need other settings of Keras")
    assert needed in message


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_library_says_which_backend_it_needs(run, backend):
    hidden = f"import sys; sys.modules[{backend!r}] = None\n"  # as if it were not installed
    done = run(hidden + LOAD, {}, KERAS_BACKEND=backend)
    message = done.stderr.strip().rpartition("\n")[2]
    assert message.startswith("ImportError: ugatit_tf needs TensorFlow as Keras' backend, but")
    assert f"names {backend}: set KERAS_BACKEND=tensorflow" in message


def test_the_library_says_so_of_a_policy_that_is_set_in_python(run):
    done = run("import keras; keras.config.set_dtype_policy('mixed_float16')\n" + BUILD, {})
    assert "or by keras.config.set_dtype_policy('float32'); Config(precision=" in done.stderr


def test_a_forked_child_is_refused_in_place_of_hanging(run):
    program = """
import os, sys
import numpy as np
from ugatit_tf.inference import Translator, load_generator
from ugatit_tf.networks.generator import Translation

translator = Translator(lambda x: Translation(x, x, x), 8, 3)
pictures = np.zeros((1, 8, 8, 3), "uint8")
translator(pictures)
child = os.fork()
if child == 0:
    for call in (lambda: load_generator("x"), lambda: translator(pictures), lambda: translator.translate(pictures)):
        try:
            call()
        except Exception as error:
            print(type(error).__name__, error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    lines = run(program, {}).stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("RunError TensorFlow was loaded before this process was forked") for line in lines)


@pytest.mark.parametrize(
    "build", [lambda: UGATIT(Config()), lambda: load_generator("nowhere"), lambda: Generator(light=True)]
)
def test_another_backend_is_refused(monkeypatch, build):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    with pytest.raises(
        UsageError, match="^ugatit_tf needs TensorFlow as Keras' backend, not jax: set KERAS_BACKEND=tensorflow"
    ):
        build()
