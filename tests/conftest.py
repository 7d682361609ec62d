import collections
import contextlib
import gc
import logging
import os
import resource
import runpy
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.folder import RunFolder

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_addoption(parser):
    parser.addoption(
        "--golden",
        metavar="DIR",
        help="check this folder of recordings instead of tests/golden: one configuration, or a folder of them",
    )
    parser.addoption("--golden-pytorch", metavar="DIR", help="likewise instead of tests/golden_pytorch")


def pytest_collection_modifyitems(items):
    """TensorFlow asks the processor what it can, and then oneDNN for it, which that variable holds to less."""
    limited = pytest.mark.skip(reason="oneDNN is held to instructions without low precision")
    for item in items:
        if "ONEDNN_MAX_CPU_ISA" in os.environ and item.get_closest_marker("low_precision"):
            item.add_marker(limited)


@pytest.fixture(scope="session", autouse=True)
def _graphs_start_fast():
    import tensorflow as tf

    from ugatit_tf.system import device

    parts = [tf.config.LogicalDeviceConfiguration()] * 4  # for strategies; all else runs on the first
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    device.prepare()


@pytest.fixture(scope="module", autouse=True)
def _graphs_are_freed():
    """Frees the graphs that nobody uses any more: Python seldom looks for them, and they take gigabytes.

    TensorFlow keeps each graph with a custom gradient until the process ends. What is left after a module is therefore
    frozen: no later collection looks at it. Without this, a collection took seconds by the last module.
    """
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _logging_is_reset():
    """A command in this process sets the package's logger up for itself: caplog would hear nothing afterwards."""
    yield
    package = logging.getLogger("ugatit_tf")
    package.propagate = True
    package.setLevel(logging.NOTSET)
    package.handlers.clear()


@pytest.fixture
def tiny_config(tmp_path):
    """The smallest network that has every part, its folders under tmp_path."""
    from ugatit_tf.config import Config

    folders = {
        f"{name}_dir": str(tmp_path / name) for name in ("dataset", "checkpoint", "sample", "log", "result", "cache")
    }
    return Config(
        dataset="demo", light=True, ch=2, n_res=1, n_dis=4, img_size=32, epoch=2, iteration=4, decay_epoch=1, **folders
    )


@pytest.fixture
def scrambled_generator():
    """Builds a generator with weights under which every part of it shows in the output."""
    from ugatit_tf.training.networks import build_generator

    def build(config, domain="B", *, average=False):
        generator = build_generator(config, domain, average=average)
        rng = np.random.default_rng(["AB".index(domain), average])
        for variable in generator.variables:
            variable.assign(rng.normal(scale=0.3, size=variable.shape))
        return generator

    return build


@pytest.fixture
def save_generators(scrambled_generator):
    """Writes a run's checkpoint of step 7, which holds generators alone, and their averages where the run has them.

    Returns them by direction: those, or else the averages, that make the pictures.
    """

    def save(config, *, averages=None):
        RunFolder(config.run_checkpoint_dir).save_config(config)
        kinds = (False, True) if (config.ema if averages is None else averages) else (False,)
        generators = {
            (direction, average): scrambled_generator(config, direction[-1], average=average)
            for direction in ("A2B", "B2A")
            for average in kinds
        }
        variables = [variable for generator in generators.values() for variable in generator.variables]
        writer.CheckpointWriter(variables, config).save(7)
        made_with = bool(config.ema) and True in kinds
        return {direction: generators[direction, made_with] for direction in ("A2B", "B2A")}

    return save


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A folder of awkward files, .../dataset/corpus/trainA, and its cases, of tests/data/corpus.py; to be read only."""
    folder = tmp_path_factory.mktemp("awkward") / "dataset" / "corpus" / "trainA"
    folder.mkdir(parents=True)
    return folder, runpy.run_path(str(Path(__file__).parent / "data" / "corpus.py"))["make"](folder)


@pytest.fixture(scope="session")
def pytorch_port():
    """The functions of tests/checkpoints/pytorch/port.py, which make files of the PyTorch port's."""
    return types.SimpleNamespace(
        **runpy.run_path(str(Path(__file__).parent / "checkpoints" / "pytorch" / "port.py"), run_name="port")
    )


@pytest.fixture(scope="session")
def clips():
    """The module tests/data/clips.py, which makes videos; skips the test where PyAV is missing."""
    pytest.importorskip("av")
    return types.SimpleNamespace(**runpy.run_path(str(Path(__file__).parent / "data" / "clips.py")))


@pytest.fixture
def full_disk():
    """Within `full_disk(after=N)`, a file that grows past N bytes fails as on a full disk."""

    @contextlib.contextmanager
    def limited(after):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


@pytest.fixture(scope="session")
def mutated():
    """`mutated(data, seed)`: a copy of a file's bytes with something wrong, always the same for a seed."""

    def mutate(data, seed):
        rng = np.random.default_rng(seed)
        copy = data
        while copy == data:
            start, other = rng.integers(len(data), size=2)
            end = start + rng.integers(1, 65)
            noise = rng.bytes(len(data[start:end]))
            extreme = bytes([rng.choice([0, 1, 127, 128, 255])]) * int(rng.integers(1, 9))
            copy = [
                data[:start] + bytes([data[start] ^ 1 << rng.integers(8)]) + data[start + 1 :],
                data[:start] + noise + data[end:],
                data[:start] + extreme + data[start + len(extreme) :],
                data[:start] + noise + data[start:],
                data[:start] + data[end:],
                data[:start],
                data[:other] + data[start:end] + data[other:],
                data[:other] + data[start:end] + data[other + len(noise) :],
                data + noise,
            ][rng.integers(9)]
        return copy

    return mutate


@pytest.fixture
def run_over(tmp_path):
    """Runs a check over files in a process of its own, which may crash or hang without harm to this one.

    `run_over(files, program, *arguments)`: the program is Python that defines `check(path)`; gives a count of what it
    returned, texts. A crash, an exception or more than ten minutes fail the test, with the file at which it happened.
    """

    def run(files, program, *arguments):
        folder = tmp_path / "files"
        folder.mkdir()
        for index, data in enumerate(files):
            (folder / f"{index:05}").write_bytes(data)
        program += """
import pathlib, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))  # a giant is to fail, not to fill the machine
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    print(path, end=" ", flush=True)
    print(check(path), flush=True)
"""
        with (tmp_path / "output").open("w+") as output, (tmp_path / "errors").open("w+") as errors:
            process = subprocess.Popen(
                [sys.executable, "-c", program, folder, *arguments],
                cwd=Path(__file__).parents[1],
                env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1"},  # with a GPU, addresses alone exceed the limit
                stdout=output,
                stderr=errors,
            )
            try:
                code = process.wait(timeout=600)
            except subprocess.TimeoutExpired:
                process.kill()
                code = "hangs"
            output.seek(0)
            errors.seek(0)
            lines = output.read().splitlines()
            assert code == 0, f"{code} at {lines[-1:]}: {errors.read()[-2000:]}"
        assert len(lines) == len(files)
        return collections.Counter(line.split()[1] for line in lines)

    return run
