"""A generator as a SavedModel: loadable by any TensorFlow 2 program, with no line of this project."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from ugatit_tf.export import image_ops
from ugatit_tf.networks.generator import Generator

VERSION = "1"  # TensorFlow Serving takes the numbered folders of a model's folder for its versions

SIGNATURES = {
    "serving_default": {
        "inputs": {"image_bytes": "string [B]: JPEG, PNG, GIF (first frame) or BMP files of any size; EXIF is ignored"},
        "outputs": {"image_bytes": "string [B]: PNG files, {size} x {size}"},
    },
    "translate_uint8": {
        "inputs": {"images": "uint8 [B, H, W, {channels}], 0..255, any H and W; resized to {size} x {size}"},
        "outputs": {"images": "uint8 [B, {size}, {size}, {channels}], 0..255"},
    },
    "translate": {
        "inputs": {"images": "float32 [B, {size}, {size}, {channels}], -1..1"},
        "outputs": {
            "output": "float32 [B, {size}, {size}, {channels}], -1..1",
            "cam_logits": "float32 [B, 2]: the auxiliary classifier's, from the average and the max pool",
            "heatmap": "float32 [B, {features}, {features}]: where the network looks, not normalised",
        },
    },
}


class _Endpoint(tf.Module):
    """A function together with the variables that it uses, and does not itself keep alive.

    With the function alone, `tf.saved_model.load(path).translate(x)` would let go of the loaded object, and with it the
    variables, before the call.
    """

    # In place of tf.Module's properties, which would not be saved: `TFSMLayer` reads both.
    variables = trainable_variables = ()

    def __init__(self, function: Callable, variables: tuple[tf.Variable, ...]) -> None:
        super().__init__()
        self.variables = self.trainable_variables = variables
        self.__call__ = function


def write(generator: Generator, size: int, folder: Path) -> None:
    """Writes `<folder>/1/`.

    Args:
        generator: built; of `img_ch` 1, 3 or 4.
        size: side of its images, in pixels.
        folder: exists.
    """
    module, signatures = build_module(generator, size)
    tf.saved_model.save(module, str(folder / VERSION), signatures=signatures)


def build_module(generator: Generator, size: int) -> tuple[tf.Module, dict[str, Callable]]:
    """An object with `translate` and `translate_uint8` as attributes; and the functions of SIGNATURES.

    The attribute `translate_uint8` gives the images themselves; the signature, which must name its outputs, a dict.
    """
    channels = generator.img_ch
    any_size = tf.TensorSpec((None, None, None, channels), tf.uint8, name="images")

    @_function(tf.TensorSpec((None, size, size, channels), name="images"))
    def translate(images: tf.Tensor) -> dict[str, tf.Tensor]:
        image, cam_logits, heatmap = generator(images)
        return {"output": image, "cam_logits": cam_logits, "heatmap": heatmap}

    @_function(any_size)
    def translate_uint8(images: tf.Tensor) -> tf.Tensor:
        resized = image_ops.resize(images, size)
        return image_ops.to_uint8(translate(image_ops.to_float(resized))["output"])

    @_function(any_size)
    def serve_uint8(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"images": translate_uint8(images)}

    @_function(tf.TensorSpec((None,), tf.string, name="image_bytes"))
    def serve_files(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        def decode(data: tf.Tensor) -> tf.Tensor:
            return image_ops.resize(image_ops.decode(data, channels)[tf.newaxis], size)[0]

        spec = tf.TensorSpec((size, size, channels), tf.uint8)
        translated = translate_uint8(tf.map_fn(decode, image_bytes, fn_output_signature=spec))
        files = tf.map_fn(tf.io.encode_png, translated, fn_output_signature=tf.TensorSpec((), tf.string))
        return {"image_bytes": files}

    module = tf.Module()
    # The variables alone: of the generator itself, all that Keras knows would be saved.
    variables = tuple(variable.value for variable in generator.variables)
    module.translate = _Endpoint(translate, variables)
    module.translate_uint8 = _Endpoint(translate_uint8, variables)
    return module, {"serving_default": serve_files, "translate_uint8": serve_uint8, "translate": translate}


def _function(spec: tf.TensorSpec) -> Callable[[Callable], Callable]:
    return tf.function(input_signature=[spec], autograph=False)
