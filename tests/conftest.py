import os

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
        f"{name}_dir": str(tmp_path / name) for name in ("dataset", "checkpoint", "sample", "log", "result", "cache")
    }
    return Config(
        dataset="demo", light=True, ch=2, n_res=1, n_dis=4, img_size=32, epoch=2, iteration=4, decay_epoch=1, **folders
    )
