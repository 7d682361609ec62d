import dataclasses
import subprocess

import numpy as np
import psutil
import pytest
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.runs import memory
from ugatit_tf.system import device
from ugatit_tf.training.ugatit import UGATIT

LIGHT = Config(light=True)


def test_weights_are_those_of_the_networks(tiny_config):
    model = UGATIT(tiny_config)
    weights = sum(network.count_params() for network in model.layers)
    estimate = memory.estimate(tiny_config)
    assert estimate.weights == 4 * weights
    assert estimate.optimizer == 8 * weights
    averaged = memory.estimate(dataclasses.replace(tiny_config, ema=0.9))
    generators = model.generator_A.count_params() + model.generator_B.count_params()
    assert averaged.weights == 4 * (weights + generators)
    assert averaged.optimizer == 8 * weights
    assert estimate.total == sum(estimate) > 4 * estimate.weights


# Peaks of a process that trains, measured, less what it had when TensorFlow was loaded; in GB.
@pytest.mark.parametrize(
    ("values", "measured"),
    [
        ({"ch": 16, "img_size": 64, "n_dis": 5}, 0.47),
        ({"ch": 16, "batch_size": 4, "img_size": 128}, 0.92),
        ({"ch": 32}, 2.26),
        ({"ch": 64}, 4.64),
        ({"ch": 64, "recompute": True}, 4.38),
        ({"ch": 64, "img_size": 128, "precision": "bfloat16"}, 3.15),
        ({"ch": 64, "img_size": 128, "light": False}, 4.65),
        ({"ch": 32, "img_size": 128, "gan_type": "wgan-gp"}, 1.44),
        ({"ch": 32, "img_size": 128, "sn": False}, 1.10),
    ],
)
def test_an_estimate_is_near_what_was_measured(values, measured):
    estimate = memory.estimate(dataclasses.replace(LIGHT, **values))
    assert estimate.total / 1e9 == pytest.approx(measured, rel=0.25)


@pytest.mark.parametrize(("values", "measured"), [({"ch": 32, "img_size": 128}, 1.43), ({"ch": 64}, 5.70)])
def test_an_estimate_counts_what_two_operations_at_a_time_need(values, measured):
    estimate = memory.estimate(dataclasses.replace(LIGHT, **values), device.Threads(2, 1))
    assert estimate.total / 1e9 == pytest.approx(measured, rel=0.25)


def test_a_training_runs_two_operations_at_a_time_where_there_is_memory_for_it(room, monkeypatch):
    monkeypatch.setattr(device, "two_operations", lambda: device.Threads(2, 4))
    alone, beside = memory.estimate(LIGHT).total / 1e9, memory.estimate(LIGHT, device.Threads(2, 4)).total / 1e9
    room(beside + 0.1)
    assert memory.threads(LIGHT) == (2, 4)
    assert memory.report(LIGHT, memory.threads(LIGHT)).startswith(f"Memory: about {beside:.1f} GB")
    room((alone + beside) / 2)
    assert memory.threads(LIGHT) is None
    room(100)
    assert memory.threads(dataclasses.replace(LIGHT, deterministic=True)) is None
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"])
    assert memory.threads(LIGHT) is None


def test_an_estimate_takes_no_memory():
    before = psutil.Process().memory_info().rss
    assert memory.estimate(Config()).weights == pytest.approx(4 * 671e6, rel=1e-3)  # the number in docs/training.md
    assert psutil.Process().memory_info().rss - before < 3e8


@pytest.fixture
def room(monkeypatch):
    def set_room(gigabytes):
        monkeypatch.setattr(memory, "available", lambda: gigabytes * 1e9)

    return set_room


def test_a_training_that_fits_is_told_in_one_line(room):
    room(8)
    line = memory.report(LIGHT)
    assert line.startswith("Memory: about 4.")
    assert line.endswith("GB (weights 0.5, optimizer 1.1, gradients 0.5, activations 2.3) of 8.0 GB available")
    assert "\n" not in line


def test_a_training_that_does_not_fit_is_warned_of_with_what_would(room):
    room(4)
    config = Config(batch_size=2)
    text, warning = memory.report(config).splitlines()
    assert text.endswith("of 4.0 GB available")
    assert warning.startswith(
        "Warning: that is too little memory. Would fit: --light True --batch_size 1 --recompute True --img_size 128 ("
    )
    room(10)
    assert "Would fit: --light True (" in memory.report(config)


def test_what_fits_with_no_flag_is_said_so(room):
    room(0.1)
    assert "would be with any flag. Less would be: --recompute True (" in memory.report(LIGHT)
    smallest = Config(light=True, ch=1, n_res=1, n_dis=4, img_size=24)
    assert memory.report(smallest).endswith("No flag would take much less.")


@pytest.mark.parametrize("half", [128, 32])
def test_smaller_images_bring_shallower_discriminators(half):
    config = dataclasses.replace(LIGHT, img_size=2 * half, n_dis=5)
    changed = dataclasses.replace(config, img_size=half, n_dis=5 if half == 128 else 4)
    assert dict(memory._savings(config))[f"--img_size {half}"] == memory.estimate(changed)


@pytest.mark.parametrize(
    "error",
    [
        tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[4,256,256,64]\nmore"),
        MemoryError(),
        np._core._exceptions._ArrayMemoryError((1 << 40,), np.dtype(float)),
    ],
)
def test_memory_that_runs_out_is_advice_in_one_line(error):
    with pytest.raises(RunError) as caught, memory.advice(LIGHT):
        raise error
    assert str(caught.value).startswith("Out of memory. A step takes about 4.")
    assert "--img_size 128 (" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_errors_pass():
    with pytest.raises(tf.errors.InvalidArgumentError), memory.advice(LIGHT):
        raise tf.errors.InvalidArgumentError(None, None, "")


def test_the_available_memory_is_what_the_machine_has_or_less():
    assert 0 < memory.available() <= psutil.virtual_memory().total


def test_a_gpus_memory_is_found_by_its_name(monkeypatch):
    listing = "NVIDIA A, 1000\nNVIDIA B, 3000\nNVIDIA B, 2000\n"

    def run(command, **options):
        return subprocess.CompletedProcess(command, 0, listing)

    monkeypatch.setattr(memory.subprocess, "run", run)
    assert memory._gpu_memory("NVIDIA B") == 2000 * 2**20
    assert memory._gpu_memory("NVIDIA C") is None


def test_without_its_tool_a_gpus_memory_is_not_known(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert memory._gpu_memory("NVIDIA B") is None


@pytest.mark.parametrize(("batch_size", "times", "kept"), [(2, 1.3, True), (2, 1.2, False), (1, 9.0, False)])
def test_freed_memory_is_kept_for_batches_where_there_is_room(batch_size, times, kept, monkeypatch):
    config = dataclasses.replace(LIGHT, batch_size=batch_size)
    monkeypatch.setattr(memory, "available", lambda: times * memory.estimate(config).total)
    calls = []
    monkeypatch.setattr(memory.share, "keep_freed_memory", lambda: calls.append("kept"))
    memory.keep_freed_if_ample(config)
    assert bool(calls) == kept
