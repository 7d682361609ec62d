"""The formats that a generator is exported in. An entry of `FORMATS` writes a format and describes its files."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ugatit_tf.export import saved_model, tflite
from ugatit_tf.networks.generator import Generator

KERAS_FILE = "generator.keras"


@dataclasses.dataclass(frozen=True)
class Format:
    """One way of writing a generator. `templates/network.md.jinja` explains to users how to load the files.

    Attributes:
        write: writes the files. Its arguments are a built generator, the side of its images in pixels, an existing
            folder, and training images for the ranges of int8, uint8 `[N, size, size, img_ch]`, which may be empty for
            formats other than TFLite.
        signature: inputs and outputs for `signature.json`; {size}, {features} and {channels} stand for numbers.
    """

    write: Callable[[Generator, int, Path, np.ndarray], None]
    signature: dict


def _write_onnx(generator: Generator, size: int, folder: Path, _: np.ndarray) -> None:
    from ugatit_tf.export import onnx  # needs an extra package

    onnx.write(generator, size, folder)


FORMATS = {
    "saved_model": Format(
        lambda generator, size, folder, _: saved_model.write(generator, size, folder), saved_model.SIGNATURES
    ),
    "tflite": Format(tflite.write, tflite.SIGNATURES),
    "keras": Format(
        lambda generator, _size, folder, _: generator.save(folder / KERAS_FILE),
        {
            "inputs": "float32 [B, {size}, {size}, {channels}], -1..1",
            "outputs": saved_model.SIGNATURES["translate"]["outputs"],
        },
    ),
    "onnx": Format(_write_onnx, saved_model.SIGNATURES["translate"]),
}
