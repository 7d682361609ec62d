"""What has to be the same for all workers of a cluster."""

import dataclasses
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data.image_set import ImageSet

_GROUPS = {field.name: field.metadata["group"] for field in dataclasses.fields(Config)}


def facts(config: Config, image_sets: Mapping[str, ImageSet]) -> dict[str, str]:
    """The code, TensorFlow, the flags and the images that a worker trains with, for people to read.

    Args:
        config: of the run; where files go may differ.
        image_sets: of each split.
    """
    code = Path(__file__).parents[1]
    versions = {
        "the code of ugatit_tf": _digest(path.read_bytes() for path in sorted(code.rglob("*.py"))),
        "TensorFlow": tf.__version__,
    }
    flags = {
        f"--{name}": str(value)
        for name, value in dataclasses.asdict(config).items()
        if _GROUPS[name] != _GROUPS["checkpoint_dir"]
    }
    images = {
        split: f"{len(each)} images ({_digest(name.encode(errors='surrogateescape') for name in each.names)})"
        for split, each in image_sets.items()
    }
    return versions | flags | images


def _digest(parts: Iterable[bytes]) -> str:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part + b"\0", checksum)
    return f"{checksum:08x}"
