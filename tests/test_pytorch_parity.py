"""The PyTorch port's recorded outputs, see tests/golden_pytorch; `--golden-pytorch DIR` checks others of that form."""

import json
from pathlib import Path

import numpy as np
import pytest

import main
from ugatit_tf.checkpoints.checkpoint import open_folder

TOLERANCE = 1e-4
GENERATORS = {"A2B": "genA2B", "B2A": "genB2A"}


def pytest_generate_tests(metafunc):
    root = Path(metafunc.config.getoption("--golden-pytorch") or Path(__file__).parent / "golden_pytorch")
    folders = sorted(path.parent for path in [*root.glob("recorded.npz"), *root.glob("*/recorded.npz")])
    assert folders, f"{root} holds no recorded.npz"
    metafunc.parametrize("golden", folders, ids=lambda folder: folder.name, scope="module")


@pytest.fixture(scope="module")
def converted(golden, tmp_path_factory):
    """The checkpoint that `--phase convert` makes of a recording's file."""
    (path,) = golden.glob("*.pt")
    size = json.loads((golden / "config.json").read_text())["img_size"]
    folder = tmp_path_factory.mktemp(golden.name)
    flags = ["--from_checkpoint", path, "--img_size", size, "--checkpoint_dir", folder]
    assert main.main(["main.py", "--phase", "convert", *map(str, flags)]) == 0
    (run,) = folder.iterdir()
    return open_folder(run)


@pytest.mark.parametrize("direction", GENERATORS)
def test_image_cam_logits_and_heatmap_are_the_recorded_ones(golden, converted, direction):
    recorded = np.load(golden / "recorded.npz")
    outputs = converted.generator(direction)(recorded["x"])
    for name, value in outputs._asdict().items():
        expected = recorded[f"{GENERATORS[direction]}/{name}"]
        assert value.shape == expected.shape
        np.testing.assert_allclose(value, expected, rtol=0, atol=TOLERANCE, err_msg=name)


def test_the_configuration_is_the_recorded_one(golden, converted):
    expected = json.loads((golden / "config.json").read_text())
    assert {name: getattr(converted.config, name) for name in expected} == expected
