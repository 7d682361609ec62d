"""A generator as TFLite files: fixed image size, one image at a time, built-in operations only."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ugatit_tf.export import image_ops
from ugatit_tf.networks.generator import Generator

FOLDER = "tflite"
ATTENTION = "attention"  # the variant that gives all that the network does

Outputs = dict[str, tf.Tensor]


def _float32(_: tf.lite.TFLiteConverter, __: np.ndarray) -> None:
    pass


def _float16(converter: tf.lite.TFLiteConverter, _: np.ndarray) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic(converter: tf.lite.TFLiteConverter, _: np.ndarray) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]


def _int8(converter: tf.lite.TFLiteConverter, calibration: np.ndarray) -> None:
    def samples() -> Iterator[list[np.ndarray]]:
        for image in calibration.astype(np.float32):
            # With a black and a white pixel in each, the input's scale is 1 and its zero point 0: plain pixels.
            image[0, 0], image[0, 1] = 0.0, 255.0
            yield [image[np.newaxis]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8


def _floats(generator: Generator, images: tf.Tensor) -> Outputs:
    return {"output": generator(images).image}


def _attention(generator: Generator, images: tf.Tensor) -> Outputs:
    image, cam_logits, heatmap = generator(images)
    return {"output": image, "cam_logits": cam_logits, "heatmap": heatmap}


def _pixels(generator: Generator, images: tf.Tensor) -> Outputs:
    return {"output": image_ops.to_uint8(generator(image_ops.to_float(images)).image)}


def _float_pixels(generator: Generator, images: tf.Tensor) -> Outputs:
    # tanh ends it, as int8 gives that one the fixed scale 1/128: with zero point 128, the output is pixels within 1.
    return {"output": generator(images / 127.5 - 1.0).image}


# name: (what is converted, the type of its input, how)
VARIANTS: dict[str, tuple[Callable, tf.DType, Callable]] = {
    "float32": (_floats, tf.float32, _float32),
    "float16": (_floats, tf.float32, _float16),
    ATTENTION: (_attention, tf.float32, _float16),
    "dynamic": (_pixels, tf.uint8, _dynamic),
    "int8": (_float_pixels, tf.float32, _int8),
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
    """Writes `<folder>/tflite/<variant>.tflite` for each of VARIANTS.

    Args:
        generator: built; of `img_ch` 1, 3 or 4.
        size: side of its images, in pixels.
        folder: exists.
        calibration: training images, uint8 `[N, size, size, img_ch]`, from which int8 takes its ranges.
    """
    (folder / FOLDER).mkdir()
    for name in VARIANTS:
        (folder / FOLDER / f"{name}.tflite").write_bytes(convert(generator, size, name, calibration))


def convert(generator: Generator, size: int, name: str, calibration: np.ndarray) -> bytes:
    """The TFLite file of one of VARIANTS; arguments as for `write`."""
    body, dtype, configure = VARIANTS[name]
    spec = tf.TensorSpec((1, size, size, generator.img_ch), dtype, name="images")
    module = tf.Module()
    # Without a tf.Module that holds the variables, the converter freezes none of them, and the result is NaN.
    module.weights = tuple(variable.value for variable in generator.variables)
    module.run = tf.function(lambda images: body(generator, images), input_signature=[spec])
    with tempfile.TemporaryDirectory() as temporary:
        tf.saved_model.save(module, temporary, signatures=module.run)
        converter = tf.lite.TFLiteConverter.from_saved_model(temporary)
        configure(converter, calibration)
        return converter.convert()
