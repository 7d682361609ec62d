import os

import pytest
import tensorflow as tf

from ugatit_tf.system import device, startup


@pytest.fixture
def settings(monkeypatch):
    """What TensorFlow is told of its threads: operations at a time, and cores for each."""
    told = {}
    for kind in ("inter", "intra"):
        name = f"{kind}_op_parallelism_threads"
        monkeypatch.setattr(tf.config.threading, f"set_{name}", lambda count, kind=kind: told.update({kind: count}))
        monkeypatch.setattr(tf.config.threading, f"get_{name}", lambda kind=kind: told[kind])
    return told


@pytest.mark.parametrize(
    ("expected", "hint"), [(False, "for a GPU"), (True, "TensorFlow cannot use the GPU of this machine,")]
)
def test_a_run_on_the_cpu_says_where_to_read_of_gpus(monkeypatch, settings, expected, hint):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(startup, "expects_gpu", lambda: expected)
    assert device.prepare() == f"CPU ({device.one_operation()}); {hint} see docs/troubleshooting.md"
    assert device.for_batches() is None


@pytest.mark.parametrize(
    ("cores", "one", "two"),
    [(1, (1, 1), (1, 1)), (2, (1, 2), (2, 1)), (3, (1, 3), (2, 1)), (16, (1, 16), (2, 8))],
)
def test_cores_are_shared_out(monkeypatch, cores, one, two):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert device.one_operation() == one
    assert device.two_operations() == two


def test_a_cpu_is_told_its_threads(monkeypatch, settings):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    device.prepare()
    assert settings == {"inter": 1, "intra": 6}
    said = device.prepare(device.Threads.parse("2x3"))
    assert settings == {"inter": 2, "intra": 3}
    assert said.startswith("CPU (2 operations at a time, on 3 cores each);")


def test_a_gpus_host_is_told_what_was_asked_for_alone(monkeypatch, settings):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [tf.config.PhysicalDevice("/GPU:0", kind)])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": "A"})
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: None)
    device.prepare()
    assert settings == {}
    device.prepare(device.Threads(4, 2))
    assert settings == {"inter": 4, "intra": 2}


def test_threads_stay_as_they_are_once_something_ran(monkeypatch, settings):
    device.prepare(device.Threads(1, 5))

    def refuse(count):
        raise RuntimeError("cannot be modified after initialization")

    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", refuse)
    assert device.prepare(device.Threads(2, 3)).startswith("CPU (1 operation at a time, on 5 cores);")


def test_threads_as_a_flag_says_them():
    assert device.Threads.parse("") is None
    assert device.Threads.parse("12x1") == (12, 1)
    assert str(device.Threads(1, 1)) == "1 operation at a time, on 1 core"
    assert str(device.Threads(2, 1)) == "2 operations at a time, on 1 core each"


def test_a_gpu_is_named_and_its_memory_grows(monkeypatch):
    grows = []
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [tf.config.PhysicalDevice("/GPU:0", kind)])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"A{gpu.name}"})
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: grows.append((gpu.name, on)))
    assert device.prepare() == "GPU A/GPU:0"
    assert grows == [("/GPU:0", True)]
    assert device.for_batches() == "/GPU:0"
