"""The formats that a generator is exported in: a name to how it is written, described and loaded."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ugatit_tf.export import onnx, saved_model, tflite
from ugatit_tf.networks.generator import Generator

KERAS_FILE = "generator.keras"


@dataclasses.dataclass(frozen=True)
class Source:
    """What is exported.

    Attributes:
        generator: built, with its weights.
        size: side of its images, in pixels.
        calibration: training images, uint8 `[N, size, size, img_ch]`, for what is quantised; may be empty otherwise.
    """

    generator: Generator
    size: int
    calibration: np.ndarray


@dataclasses.dataclass(frozen=True)
class Format:
    """One way of writing a generator.

    Attributes:
        write: a source and an existing folder; puts the format's files there.
        signature: what goes in and out, for `signature.json`; {size}, {features} and {channels} stand for numbers.
        usage: how to load it, Markdown for the model card, with the same placeholders.
    """

    write: Callable[[Source, Path], None]
    signature: dict
    usage: str


def _write_saved_model(source: Source, folder: Path) -> None:
    saved_model.write(source.generator, source.size, folder)


def _write_tflite(source: Source, folder: Path) -> None:
    tflite.write(source.generator, source.size, folder, source.calibration)


def _write_keras(source: Source, folder: Path) -> None:
    source.generator.save(folder / KERAS_FILE)


def _write_onnx(source: Source, folder: Path) -> None:
    onnx.write(source.generator, source.size, folder)


_SAVED_MODEL_USAGE = """\
### SavedModel: `1/`

In any TensorFlow 2 program:

```python
import tensorflow as tf
model = tf.saved_model.load("1")
outputs = model.translate_uint8(images)  # uint8 [B, H, W, {channels}] to uint8 [B, {size}, {size}, {channels}]
files = model.signatures["serving_default"](image_bytes=tf.constant([open("in.jpg", "rb").read()]))["image_bytes"]
```

As a Keras layer: `keras.layers.TFSMLayer("1", call_endpoint="translate_uint8")`. TensorFlow Serving takes the folder
that holds `1` as its model's base path. Pictures are decoded and resized inside (squeezed to a square, not cropped).
TensorFlow does not read EXIF: turn photos upright beforehand.
"""
_TFLITE_USAGE = """\
### TFLite: `tflite/*.tflite`

One image of {size} x {size} at a time. `float32`, `float16` and `attention` take and give floats from -1 to 1;
`dynamic` and `int8` take and give pixels, uint8. `attention` also gives `heatmap`, where the network looks, and
`cam_logits`.

```python
from ai_edge_litert.interpreter import Interpreter
run = Interpreter("tflite/dynamic.tflite").get_signature_runner()
output = run(images=image[None])["output"][0]  # uint8 [{size}, {size}, {channels}]
```
"""
_KERAS_USAGE = """\
### Keras: `generator.keras`

Needs this project's layers, hence the import. Input and output are floats from -1 to 1.

```python
import keras
import ugatit_tf.networks.generator
generator = keras.saving.load_model("generator.keras")
outputs = generator(images).image
```
"""
_ONNX_USAGE = """\
### ONNX: `generator.onnx`

Any number of images of {size} x {size}; input and output are floats from -1 to 1, channels last. Opset 17. Where there
is a `generator.onnx.data`, it holds the weights, and belongs beside it.

```python
import onnxruntime
session = onnxruntime.InferenceSession("generator.onnx")
(output,) = session.run(["output"], {"images": images})  # float32 [B, {size}, {size}, {channels}]
```
"""

FORMATS = {
    "saved_model": Format(_write_saved_model, saved_model.SIGNATURES, _SAVED_MODEL_USAGE),
    "tflite": Format(_write_tflite, tflite.SIGNATURES, _TFLITE_USAGE),
    "keras": Format(
        _write_keras,
        {
            "inputs": "float32 [B, {size}, {size}, {channels}], -1..1",
            "outputs": saved_model.SIGNATURES["translate"]["outputs"],
        },
        _KERAS_USAGE,
    ),
    "onnx": Format(_write_onnx, onnx.SIGNATURE, _ONNX_USAGE),
}


def get(name: str) -> Format:
    """The format of a name.

    Raises:
        ValueError: for an unknown one, listing the known.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown export format {name!r}: the known ones are {', '.join(FORMATS)}")
    return FORMATS[name]
