"""Both generators as a page that translates pictures in the browser: a folder for any static host."""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.config import Config
from ugatit_tf.export import tflite
from ugatit_tf.export.web import litert, site
from ugatit_tf.networks.generator import Generator

NAME = "web"
WEIGHTS = "weights"


def write(
    folder: Path,
    config: Config,
    checkpoint: Checkpoint,
    generators: Mapping[str, Generator],
    runtime: Mapping[str, bytes],
) -> None:
    """Writes the page, the weights and the runtime.

    What is large lies under names that change with it, so that a browser may keep it forever.

    Args:
        folder: does not exist yet; the folder above it does.
        config: of the run: how its pictures are cropped.
        checkpoint: what the generators are of.
        generators: by direction.
        runtime: by `litert.read`.
    """
    shutil.copytree(site.FOLDER, folder)
    place = f"runtime/{litert.VERSION}"
    (folder / place).mkdir(parents=True)
    for name, data in runtime.items():
        (folder / place / name).write_bytes(data)
    settings = site.settings(config, checkpoint)
    (folder / WEIGHTS).mkdir()
    for direction, generator in generators.items():
        size = settings["size"]
        data = tflite.convert(generator, size, tflite.ATTENTION, np.empty((0, size, size, generator.img_ch), np.uint8))
        name = f"{WEIGHTS}/{direction}-{hashlib.sha256(data).hexdigest()[:12]}.tflite"
        (folder / name).write_bytes(data)
        settings["directions"][direction] |= {"weights": name, "bytes": len(data)}
    settings |= {"engine": "browser", "checkpoint": checkpoint.label, "runtime": place}
    (folder / site.SETTINGS).write_bytes(site.encode(settings))
