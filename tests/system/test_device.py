import logging

import pytest
import tensorflow as tf

from ugatit_tf.system import device, share, startup


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


@pytest.mark.parametrize(
    ("cores", "one", "two"),
    [(1, (1, 1), (1, 1)), (2, (1, 2), (2, 1)), (3, (1, 3), (2, 1)), (16, (1, 16), (2, 8))],
)
def test_cores_are_shared_out(monkeypatch, cores, one, two):
    monkeypatch.setattr(share, "cores", lambda: cores)
    assert device.one_operation() == one
    assert device.two_operations() == two


def test_a_cpu_is_told_its_threads(monkeypatch, settings):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(share, "cores", lambda: 6)
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


@pytest.mark.parametrize(
    ("text", "lacking"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16", ["float16"]),
        ("flags\t\t: fpu avx2 avx512f", ["bfloat16", "float16"]),
        ("flags\t\t: fpu avx512_bf16 avx512_fp16", []),
        ("Features\t: fp asimd fphp asimdhp", ["bfloat16"]),
        ("Features\t: fp asimd asimdhp bf16", []),
        ("model name\t: unknown", []),
        (None, []),
    ],
)
def test_a_processor_without_a_number_type_is_known(monkeypatch, tmp_path, text, lacking):
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(f"processor\t: 0\n{text}\n")
    monkeypatch.setattr(share, "_CPUINFO", path)
    assert [dtype for dtype in ("float32", "bfloat16", "float16") if share.processor_lacks(dtype)] == lacking


@pytest.mark.parametrize("gpus", [[], [tf.config.PhysicalDevice("/GPU:0", "GPU")]])
def test_flags_that_make_a_cpu_slower_are_warned_of_once(monkeypatch, settings, caplog, gpus):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: {})
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda gpu, on: None)
    monkeypatch.setattr(share, "processor_lacks", lambda dtype: dtype == "bfloat16")
    device.prepare(precision="float32")
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING):
        device.prepare(precision="bfloat16", jit=True)
    if gpus:
        assert caplog.messages == []
    else:
        first, second = caplog.messages
        assert first.startswith("--precision bfloat16 makes this CPU slower: it has no instructions for that type")
        assert second.startswith("--jit True makes a CPU slower")
