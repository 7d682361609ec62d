import dataclasses

import pytest
from PIL import Image


@pytest.fixture
def put():
    """Writes a picture of one colour, and the folders above it."""

    def save(folder, name, colour=(255, 0, 0), size=(4, 4)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, colour).save(path)

    return save


@pytest.fixture
def mine(tiny_config, tmp_path):
    """The configuration of a dataset of files, and where these go."""
    return dataclasses.replace(tiny_config, dataset="mine"), tmp_path / "dataset" / "mine"
