import dataclasses

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from ugatit_tf.data import demo, images
from ugatit_tf.export import tflite

# Without black and white: the scale of int8's input must not follow the brightness of the training images.
CALIBRATION = np.stack([demo.draw("trainA", index, 32) // 2 + 60 for index in range(4)])


def run(file, picture):
    interpreter = Interpreter(model_content=file)
    (details,) = interpreter.get_input_details()
    value = picture if details["dtype"] == np.uint8 else images.to_float(picture)
    return interpreter.get_signature_runner()(images=value[np.newaxis])["output"][0], interpreter


@pytest.mark.parametrize(
    ("name", "light", "mean"),
    [
        ("float32", True, 0.01),
        ("float32", False, 0.01),
        ("float16", True, 0.5),
        ("attention", True, 0.5),
        ("dynamic", True, 8),
        ("int8", True, 25),
        pytest.param("int8", False, 11, marks=pytest.mark.slow),
    ],
)
def test_a_file_computes_what_the_generator_does(tiny_config, scrambled_generator, name, light, mean):
    generator = scrambled_generator(dataclasses.replace(tiny_config, light=light))
    picture = demo.draw("testA", 0, 32)
    expected = generator(images.to_float(picture[np.newaxis])).image.numpy()[0]
    output, interpreter = run(tflite.convert(generator, 32, name, CALIBRATION), picture)
    assert output.dtype == (np.uint8 if name in ("dynamic", "int8") else np.float32)
    if name == "float32":
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-4)
    levels = images.to_uint8(output) if output.dtype == np.float32 else output
    assert np.abs(levels.astype(int) - images.to_uint8(expected)).mean() < mean < images.to_uint8(expected).std() / 2
    kinds = {details["dtype"] for details in interpreter.get_tensor_details()}
    assert (np.float16 in kinds) == (name in ("float16", "attention"))
    if name == "int8":
        assert np.float32 not in kinds
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
        assert (taken["dtype"], taken["quantization"]) == (np.uint8, (1.0, 0))
        assert (given["dtype"], given["quantization"]) == (np.uint8, (1 / 128, 128))


def test_only_built_in_operations(tiny_config, scrambled_generator):
    file = tflite.convert(scrambled_generator(tiny_config), 32, "dynamic", CALIBRATION)
    interpreter = Interpreter(model_content=file)
    assert not [op["op_name"] for op in interpreter._get_ops_details() if op["op_name"].startswith(("Flex", "CUSTOM"))]


def test_attention_gives_all_that_the_network_does(tiny_config, scrambled_generator):
    generator = scrambled_generator(tiny_config)
    floats = images.to_float(demo.draw("testA", 0, 32)[np.newaxis])
    interpreter = Interpreter(model_content=tflite.convert(generator, 32, "attention", CALIBRATION))
    outputs = interpreter.get_signature_runner()(images=floats)
    expected = generator(floats)
    assert set(outputs) == {"output", "heatmap", "cam_logits"}
    for name in ("heatmap", "cam_logits"):
        values = getattr(expected, name).numpy()
        np.testing.assert_allclose(outputs[name], values, rtol=0, atol=0.01 * np.abs(values).max())
