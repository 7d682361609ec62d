"""Writes a generator as a SavedModel, which any TensorFlow 2 program loads without this project."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from ugatit_tf.export import image_ops
from ugatit_tf.networks.generator import Generator

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
    """A function that keeps the variables that it uses alive.

    With a plain function, `tf.saved_model.load(path).translate(x)` would delete the loaded object, and with it the
    variables, before the call.
    """

    # These replace tf.Module's properties, which are not saved; `TFSMLayer` reads both.
    variables = trainable_variables = ()

    def __init__(self, function: Callable, variables: tuple[tf.Variable, ...]) -> None:
        super().__init__()
        self.variables = self.trainable_variables = variables
        self.__call__ = function


def write(generator: Generator, size: int, folder: Path) -> None:
    """Writes `<folder>/1/`: TensorFlow Serving expects numbered folders, the versions of a model.

    The loaded object has the functions `translate` and `translate_uint8`, and the signatures of SIGNATURES. A signature
    has to name its outputs, so it returns a dict of images, where the function `translate_uint8` returns the images.
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
    # Saving the generator itself would also save everything that Keras knows about it.
    variables = tuple(variable.value for variable in generator.variables)
    module.translate = _Endpoint(translate, variables)
    module.translate_uint8 = _Endpoint(translate_uint8, variables)
    signatures = {"serving_default": serve_files, "translate_uint8": serve_uint8, "translate": translate}
    tf.saved_model.save(module, str(folder / "1"), signatures=signatures)


def _function(spec: tf.TensorSpec) -> Callable[[Callable], Callable]:
    return tf.function(input_signature=[spec], autograph=False)
