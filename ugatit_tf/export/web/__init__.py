"""A page that translates pictures in the browser: both generators in a folder for any static host.

The program of `--phase serve` serves the same page, and computes the translations itself.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ugatit_tf import json_files
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.config import KEEP, Config
from ugatit_tf.data.preparation import prepared
from ugatit_tf.direction import Direction
from ugatit_tf.export import tflite
from ugatit_tf.export.web import litert
from ugatit_tf.networks.generator import Generator
from ugatit_tf.system import assets

NAME = "web"
PAGE = Path(__file__).with_name("page")  # the folder of the page's files

_FINDERS = {"faces": assets.FACE_DETECTOR, "people": assets.PERSON_MASK}
_NOTICE = """\
{name} is of {package}, MediaPipe, by Google.
Licensed under the Apache License, Version 2.0: see LICENSE-LiteRT.txt, which is its text.
"""


def read_finders(config: Config) -> dict[str, bytes]:
    """Returns the networks that the run's crops and backgrounds need: TFLite files by "faces" and "people".

    Raises:
        RunError: A network cannot be fetched or read.
    """
    treatments = _treatments(config).values()
    needed = {
        "faces": any(each["crop"] == "face" for each in treatments),
        "people": any(each["background"] != KEEP for each in treatments),
    }
    return {what: assets.read(_FINDERS[what], config.assets) for what, is_needed in needed.items() if is_needed}


def write(
    folder: Path,
    config: Config,
    checkpoint: Checkpoint,
    generators: Mapping[str, Generator],
    *,
    runtime: Mapping[str, bytes],
    finders: Mapping[str, bytes],
) -> None:
    """Writes the page, the weights, the networks that find faces and people, and the runtime.

    The names of large files change with their content, so that a browser may keep them forever.

    Args:
        folder: the folder of the page, which does not exist yet.
        config: the configuration of the run, which says how its pictures are cropped.
        checkpoint: the checkpoint of the generators.
        generators: the generators by direction.
        runtime: the files that `litert.read` returns.
        finders: the networks that `read_finders` returns.
    """
    shutil.copytree(PAGE, folder)
    place = f"runtime/{litert.VERSION}"
    (folder / place).mkdir(parents=True)
    for name, data in runtime.items():
        (folder / place / name).write_bytes(data)
    values = settings(config, checkpoint)
    (folder / "weights").mkdir()
    for direction, generator in generators.items():
        size = values["size"]
        data = tflite.convert(generator, size, tflite.ATTENTION, np.empty((0, size, size, generator.img_ch), np.uint8))
        name = f"weights/{direction}-{hashlib.sha256(data).hexdigest()[:12]}.tflite"
        (folder / name).write_bytes(data)
        values["directions"][direction] |= {"weights": name, "bytes": len(data)}
    values["networks"] = _write_finders(folder, finders)
    values |= {"engine": "browser", "checkpoint": checkpoint.label, "runtime": place}
    (folder / "settings.json").write_bytes(json_files.dumps(values, indent=2))


def _write_finders(folder: Path, finders: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """Writes the networks that find faces and people, with their licence; returns what the settings say of them."""
    networks, notices = {}, []
    for what, data in finders.items():
        asset = assets.ASSETS[_FINDERS[what]]
        name = f"weights/{Path(_FINDERS[what]).stem}-{asset.sha256[:12]}.tflite"
        (folder / name).write_bytes(data)
        networks[what] = {"file": name, "bytes": len(data)}
        notices.append(_NOTICE.format(name=name, package=asset.package.spec))
    if notices:
        (folder / "weights" / "NOTICE.txt").write_text("\n".join(notices), encoding="utf-8")
    return networks


def settings(config: Config, checkpoint: Checkpoint) -> dict[str, Any]:
    """Returns the settings that tell the page which network it runs.

    Args:
        config: the configuration of the run by the current flags.
        checkpoint: the checkpoint of the generators.

    Returns:
        `dataset`, `network`, `size` and `channels` of the images, and `directions`: for "A2B" and "B2A", how pictures
        of the source domain become squares, as `prepared.treatment` returns it.
    """
    return {
        "dataset": Path(config.dataset).name,
        "network": config.model_name,
        "size": checkpoint.config.img_size,
        "channels": checkpoint.config.img_ch,
        "directions": _treatments(config),
    }


def _treatments(config: Config) -> dict[Direction, dict[str, Any]]:
    return {direction: prepared.treatment(config, direction.source) for direction in Direction}
