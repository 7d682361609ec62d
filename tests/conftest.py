import contextlib
import os
import resource
import runpy
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_addoption(parser):
    parser.addoption(
        "--golden",
        metavar="DIR",
        help="check this folder of recordings instead of tests/golden: one configuration, or a folder of them",
    )


@pytest.fixture(scope="session", autouse=True)
def _graphs_start_fast():
    from ugatit_tf.training import device

    device.prepare()


@pytest.fixture
def tiny_config(tmp_path):
    """The smallest network that has every part, its folders under tmp_path."""
    from ugatit_tf.config import Config

    folders = {
        f"{name}_dir": str(tmp_path / name)
        for name in ("dataset", "checkpoint", "sample", "log", "result", "cache", "export")
    }
    return Config(
        dataset="demo", light=True, ch=2, n_res=1, n_dis=4, img_size=32, epoch=2, iteration=4, decay_epoch=1, **folders
    )


@pytest.fixture
def scrambled_generator():
    """Builds a generator with weights under which every part of it shows in the output."""
    from ugatit_tf.training.ugatit import build_generator

    def build(config, domain="B"):
        generator = build_generator(config, domain)
        rng = np.random.default_rng("AB".index(domain))
        for variable in generator.variables:
            variable.assign(rng.normal(scale=0.3, size=variable.shape))
        return generator

    return build


@pytest.fixture
def save_generators(scrambled_generator):
    """Writes a run's checkpoint of step 7, which holds generators alone; returns them by direction."""
    from ugatit_tf.training import checkpoints

    def save(config):
        generators = {"A2B": scrambled_generator(config, "B"), "B2A": scrambled_generator(config, "A")}
        checkpoints.save_config(config)
        variables = [variable for generator in generators.values() for variable in generator.variables]
        checkpoints.CheckpointWriter(variables, config).save(7)
        return generators

    return save


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """A folder of awkward files, .../dataset/corpus/trainA, and its cases, of tests/data/corpus.py; to be read only."""
    folder = tmp_path_factory.mktemp("awkward") / "dataset" / "corpus" / "trainA"
    folder.mkdir(parents=True)
    return folder, runpy.run_path(str(Path(__file__).parent / "data" / "corpus.py"))["make"](folder)


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
