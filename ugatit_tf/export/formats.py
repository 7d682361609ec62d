"""The formats that a generator is exported in. An entry of `FORMATS` writes a format and describes how to load it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ugatit_tf.export import onnx, saved_model, tflite
from ugatit_tf.networks.generator import Generator

KERAS_FILE = "generator.keras"


@dataclasses.dataclass(frozen=True)
class Source:
    """A generator to export, and what its export needs.

    Attributes:
        generator: built, with its weights.
        size: side of its images, in pixels.
        calibration: training images for int8 ranges, uint8 `[N, size, size, img_ch]`; may be empty without TFLite.
    """

    generator: Generator
    size: int
    calibration: np.ndarray


@dataclasses.dataclass(frozen=True)
class Format:
    """One way of writing a generator.

    Attributes:
        write: writes the files of a source into an existing folder.
        signature: inputs and outputs for `signature.json`; {size}, {features} and {channels} stand for numbers.
        usage: how to load the files, Markdown for the model card. It has these placeholders too, and {files}.
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
that holds `1` as its model's base path. The network decodes pictures and
resizes them to a square, without cropping. TensorFlow does not read EXIF: turn photos upright beforehand.
"""
_TFLITE_USAGE = """\
### TFLite: `tflite/*.tflite`

Each file translates one image of {size} x {size} at a time:

{files}

```python
from ai_edge_litert.interpreter import Interpreter
run = Interpreter("tflite/float16.tflite").get_signature_runner()
output = run(images=image[None])["output"][0]  # float32 [{size}, {size}, {channels}], -1..1
```
"""
_KERAS_USAGE = """\
### Keras: `generator.keras`

The file needs this project's layers, which the second line imports. Input and output are floats from -1 to 1.

```python
import keras
import ugatit_tf.networks.generator
generator = keras.saving.load_model("generator.keras")
outputs = generator(images).image
```
"""
_ONNX_USAGE = """\
### ONNX: `generator.onnx`

Any number of images of {size} x {size}; input and output are floats from -1 to 1, channels last. Opset 17. If there is
a `generator.onnx.data`, it holds the weights: keep it in the same folder.

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
