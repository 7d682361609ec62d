import os

import pytest
import tensorflow as tf

from ugatit_tf.system import device, startup


@pytest.mark.parametrize(
    ("expected", "hint"), [(False, "for a GPU"), (True, "TensorFlow cannot use the GPU of this machine,")]
)
def test_a_run_on_the_cpu_says_where_to_read_of_gpus(monkeypatch, expected, hint):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(startup, "expects_gpu", lambda: expected)
    assert device.prepare() == f"CPU ({os.cpu_count()} cores); {hint} see docs/troubleshooting.md"
    assert device.for_batches() is None


def test_a_gpu_is_named_and_its_memory_grows(monkeypatch):
    grows = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [tf.config.PhysicalDevice("/GPU:0", kind)])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {"device_name": f"A{gpu.name}"})
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: grows.append((gpu.name, on)))
    assert device.prepare() == "GPU A/GPU:0"
    assert grows == [("/GPU:0", True)]
    assert device.for_batches() == "/GPU:0"
