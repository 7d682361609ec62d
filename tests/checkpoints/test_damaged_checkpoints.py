"""Checkpoints with something wrong, the reference's and our own: refused, or loaded as they were; never a crash."""

from pathlib import Path

import pytest

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.training.networks import build_discriminator, build_generator

GOLDEN = Path(__file__).parents[1] / "golden" / "light_lsgan_sn" / "checkpoint"
REFERENCE = next(GOLDEN.glob("*/UGATIT_light.model-1.index")).with_suffix("")
INDEX, DATA = ".index", ".data-00000-of-00001"
FOOTER = 48  # bytes at the end of an index, which no checksum covers

# Even files are an index, odd ones its data; the other part comes from the intact checkpoint.
PROGRAM = """
import os, pathlib, sys
import numpy as np
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.training.networks import build_discriminator, build_generator

whole, kind = pathlib.Path(sys.argv[2]), sys.argv[3]
config = Config(light=True, ch=2, img_size=32, n_dis=4)
networks = [build(config, domain) for build in (build_generator, build_discriminator) for domain in "AB"]
variables = [variable for network in networks for variable in network.variables]

def load(prefix):
    checkpoint = Checkpoint(prefix, config)
    if kind == "ours":
        checkpoint.verify()
    checkpoint.restore(variables, strict=kind == "ours")

load(whole)
expected = [variable.numpy() for variable in variables]

def check(path):
    parts = pathlib.Path(sys.argv[1]).parent / "parts"
    parts.mkdir(exist_ok=True)
    for index, suffix in enumerate((".index", ".data-00000-of-00001")):
        place = parts / f"model-1{suffix}"
        place.unlink(missing_ok=True)
        place.symlink_to(path if int(path.name) % 2 == index else f"{whole}{suffix}")
    for variable in variables:
        variable.assign(np.zeros(variable.shape))
    try:
        load(parts / "model-1")
    except RunError as error:
        assert "model-1" in str(error)
        return "refused"
    for variable, values in zip(variables, expected, strict=True):
        np.testing.assert_array_equal(variable.numpy(), values)
    return "loaded"
"""


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The recorded checkpoint's networks as one of ours; its prefix."""
    config = Config(light=True, ch=2, img_size=32, n_dis=4, checkpoint_dir=str(tmp_path_factory.mktemp("ours")))
    networks = [build(config, domain) for build in (build_generator, build_discriminator) for domain in "AB"]
    variables = [variable for network in networks for variable in network.variables]
    Checkpoint(REFERENCE, config).restore(variables, strict=False)
    return CheckpointWriter(variables, config).save(1)


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", ["reference", "ours"])
def test_no_damage_gets_in(kind, count, ours, mutated, run_over):
    prefix = REFERENCE if kind == "reference" else ours
    index, data = (Path(f"{prefix}{suffix}").read_bytes() for suffix in (INDEX, DATA))

    def damaged(seed):
        if seed % 2:
            return mutated(data, seed)
        return index[:-FOOTER] + mutated(index[-FOOTER:], seed) if seed % 4 else mutated(index, seed)

    outcomes = run_over([index, data, *map(damaged, range(count))], PROGRAM, prefix, kind)
    assert outcomes["loaded"] >= 2
    assert outcomes["refused"] > count / 2
