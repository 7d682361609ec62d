"""A training that was left, or killed, and goes on, against one that was not: everything is the same, bit by bit."""

import dataclasses
import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

from ugatit_tf.reports import progress

ROOT = Path(__file__).parents[2]
FLAGS = (
    "--deterministic --dataset demo --light --ch 2 --n_res 1 --img_size 32 --gan_type dragan --n_critic 2 --ema 0.9 "
)
FLAGS += "--diffaugment color,cutout --batch_size 2 --epoch 2 --iteration 4 --decay_epoch 1 --log_freq 1 "
FLAGS += "--save_freq 2 --print_freq 2"
# Trains, and does something in the step of a number: "leave" as Ctrl-C does, once it is done, or "die" before it is
# written down, or "die after saving".
PROGRAM = """
import os, signal, sys
import main
from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.runs import loop

how, at, *flags = sys.argv[1:]
steps = 0

class Stop:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    @property
    def requested(self):
        global steps
        steps += 1
        if (how, steps) == ("die", int(at)):
            os.kill(os.getpid(), signal.SIGKILL)
        return (how, steps) == ("leave", int(at))

class Writer(CheckpointWriter):
    def save(self, step):
        prefix = super().save(step)
        if (how, step) == ("die after saving", int(at)):
            os.kill(os.getpid(), signal.SIGKILL)
        return prefix

loop.StopRequest = Stop
writer.CheckpointWriter = Writer
sys.exit(main.main(["main.py", *flags]))
"""


def train(folder, how="go on", at=0):
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-c", PROGRAM, how, str(at), *FLAGS.split()]
    environment = {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == (-signal.SIGKILL if how.startswith("die") else 0), done.stdout + done.stderr
    return done.stdout


def curves(folder):
    """All points of all curves, as TensorBoard shows them."""
    (logs,) = folder.glob("logs/*")
    events = EventAccumulator(str(logs), tensor_size_guidance=dict.fromkeys(("scalars", "images", "histograms"), 0))
    events.Reload()
    return {
        tag: [(event.step, _digest(event.tensor_proto.SerializeToString())) for event in events.Tensors(tag)]
        for tag in events.Tags()["tensors"]
    }


def checkpoint(folder):
    (index,) = folder.glob("checkpoint/*/*.model-8.index")
    reader = tf.train.load_checkpoint(str(index.with_suffix("")))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if "GRAPH" not in name}


def samples(folder):
    return {path.name: _digest(path.read_bytes()) for path in folder.glob("samples/*/*.png")}


def page(folder):
    """What the run's page shows, but for facts such as the time left."""
    (results,) = folder.glob("results/*")
    pictures = {path.name: _digest(path.read_bytes()) for path in (results / "training").glob("*.jpg")}
    return dataclasses.replace(progress.read(results), facts=[]), pictures


def _digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    train(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "at", "resumed"),
    [("leave", 3, 3), ("die", 6, 4), ("die after saving", 6, 6)],
    ids=["left", "killed", "saved"],
)
def test_a_run_that_goes_on_ends_as_one_that_was_not_interrupted(whole, tmp_path, how, at, resumed):
    folder = tmp_path / "run"
    train(folder, how, at)
    before = max(step for step, _ in curves(folder)["g_loss"])
    assert before > resumed or how != "die"  # otherwise nothing could be doubled
    assert f"Resuming at step {resumed} " in train(folder)
    values, expected = checkpoint(folder), checkpoint(whole)
    assert any(name.endswith(".Su/.ATTRIBUTES/VARIABLE_VALUE") for name in values)
    assert any("ema_generator" in name for name in values)
    assert values.keys() == expected.keys()
    for name, value in values.items():
        if not name.startswith("save_counter"):
            np.testing.assert_array_equal(value, expected[name], name)
    assert samples(folder) == samples(whole)
    assert len(samples(folder)) == 4 * 6
    assert page(folder) == page(whole)
    assert page(folder)[0].steps == list(range(1, 9))
    points, expected = curves(folder), curves(whole)
    assert [step for step, _ in points["g_loss"]] == list(range(1, 9))
    assert points == expected
