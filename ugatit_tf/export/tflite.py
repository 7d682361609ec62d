"""Writes a generator as TFLite files: fixed image size, one image at a time, built-in operations only."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ugatit_tf.export import image_ops
from ugatit_tf.networks.generator import Generator

FOLDER = "tflite"
ATTENTION = "attention"  # the variant with all outputs of the network

Outputs = dict[str, tf.Tensor]


def _floats(generator: Generator, images: tf.Tensor) -> Outputs:
    return {"output": generator(images).image}


def _attention(generator: Generator, images: tf.Tensor) -> Outputs:
    image, cam_logits, heatmap = generator(images)
    return {"output": image, "cam_logits": cam_logits, "heatmap": heatmap}


def _pixels(generator: Generator, images: tf.Tensor) -> Outputs:
    return {"output": image_ops.to_uint8(generator(image_ops.to_float(images)).image)}


def _float_pixels(generator: Generator, images: tf.Tensor) -> Outputs:
    # int8 gives the final tanh the fixed scale 1/128. With the zero point 128, the output is pixels within 1 level.
    return {"output": generator(images / 127.5 - 1.0).image}


# name: (function of generator and images that is converted, dtype of its images)
VARIANTS: dict[str, tuple[Callable[[Generator, tf.Tensor], Outputs], tf.DType]] = {
    "float32": (_floats, tf.float32),
    "float16": (_floats, tf.float32),
    ATTENTION: (_attention, tf.float32),
    "dynamic": (_pixels, tf.uint8),
    "int8": (_float_pixels, tf.float32),
}
SIGNATURES = {
    "float32": "float32 [1, {size}, {size}, {channels}], -1..1, in and out",
    "float16": "float32 [1, {size}, {size}, {channels}], -1..1, in and out; the weights are float16",
    ATTENTION: "as float16, and beside `output` also `cam_logits`, float32 [1, 2], and `heatmap`, float32 "
    "[1, {features}, {features}]",
    "dynamic": "uint8 [1, {size}, {size}, {channels}], 0..255, in and out; the weights are int8",
    "int8": "uint8 [1, {size}, {size}, {channels}], 0..255, in and out; weights and arithmetic are int8",
}


def write(generator: Generator, size: int, folder: Path, calibration: np.ndarray) -> None:
    """Writes `<folder>/tflite/<variant>.tflite` for each of VARIANTS."""
    (folder / FOLDER).mkdir()
    for name in VARIANTS:
        (folder / FOLDER / f"{name}.tflite").write_bytes(convert(generator, size, name, calibration))


def convert(generator: Generator, size: int, name: str, calibration: np.ndarray) -> bytes:
    """Returns the TFLite file of one of VARIANTS.

    Args:
        generator: a built generator, of `img_ch` 1, 3 or 4.
        size: the side of its images in pixels.
        name: a key of VARIANTS.
        calibration: training images, uint8 `[N, size, size, img_ch]`, that give the ranges of int8.
    """
    body, dtype = VARIANTS[name]
    spec = tf.TensorSpec((1, size, size, generator.img_ch), dtype, name="images")
    module = tf.Module()
    # Without a tf.Module that holds the variables, the converter freezes none of them, and the result is NaN.
    module.weights = tuple(variable.value for variable in generator.variables)
    module.run = tf.function(lambda images: body(generator, images), input_signature=[spec])
    with tempfile.TemporaryDirectory() as temporary:
        tf.saved_model.save(module, temporary, signatures=module.run)
        converter = tf.lite.TFLiteConverter.from_saved_model(temporary)
        if name != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if name in ("float16", ATTENTION):
            converter.target_spec.supported_types = [tf.float16]
        if name == "int8":
            converter.representative_dataset = lambda: _samples(calibration)
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.uint8
        return converter.convert()


def _samples(calibration: np.ndarray) -> Iterator[list[np.ndarray]]:
    """Yields inputs of `_float_pixels` that give the ranges of int8."""
    for image in calibration.astype(np.float32):
        # A black and a white pixel give the input the scale 1 and the zero point 0, so that it takes plain pixels.
        image[0, 0], image[0, 1] = 0.0, 255.0
        yield [image[np.newaxis]]
