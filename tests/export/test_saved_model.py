import dataclasses
import io
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ugatit_tf.data import demo, images
from ugatit_tf.export import image_ops, saved_model
from ugatit_tf.inference import Translator
from ugatit_tf.ops import convolution

ROOT = Path(__file__).parents[2]


@pytest.fixture
def export(tiny_config, scrambled_generator, tmp_path):
    """Writes a SavedModel; returns its folder and the live generator."""

    def write(**changes):
        config = dataclasses.replace(tiny_config, **changes)
        generator = scrambled_generator(config)
        saved_model.write(generator, config.img_size, tmp_path)
        return tmp_path / "1", generator

    return write


def pictures(count=2, size=32):
    return np.stack([demo.draw("testA", index, size) for index in range(count)])


def encoded(picture, kind):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind)
    return file.getvalue()


def run_alone(program, *arguments, cwd):
    """Runs a program where nothing leads to this project."""
    done = subprocess.run(
        [sys.executable, "-I", *program, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_signatures_are_as_described(export):
    path, _ = export()
    loaded = tf.saved_model.load(str(path))
    assert {
        name: {
            "inputs": {key: spec.shape.as_list() for key, spec in function.structured_input_signature[1].items()},
            "outputs": {key: spec.shape.as_list() for key, spec in function.structured_outputs.items()},
        }
        for name, function in loaded.signatures.items()
    } == {
        "serving_default": {"inputs": {"image_bytes": [None]}, "outputs": {"image_bytes": [None]}},
        "translate_uint8": {
            "inputs": {"images": [None, None, None, 3]},
            "outputs": {"images": [None, 32, 32, 3]},
        },
        "translate": {
            "inputs": {"images": [None, 32, 32, 3]},
            "outputs": {"output": [None, 32, 32, 3], "cam_logits": [None, 2], "heatmap": [None, 8, 8]},
        },
    }
    described = {
        name: {side: set(names) for side, names in sides.items()} for name, sides in saved_model.SIGNATURES.items()
    }
    assert described == {
        name: {"inputs": set(f.structured_input_signature[1]), "outputs": set(f.structured_outputs)}
        for name, f in loaded.signatures.items()
    }


@pytest.mark.parametrize("changes", [{}, {"light": False, "img_ch": 1}], ids=["light RGB", "full grey"])
def test_a_process_without_the_project_computes_the_same(export, tmp_path, changes):
    path, generator = export(**changes)
    floats = images.to_float(pictures())[..., : generator.img_ch]
    np.save(tmp_path / "floats.npy", floats)
    program = (
        "import sys, numpy as np, tensorflow as tf\n"
        # In one expression, which lets go of what it loads.
        "outputs = tf.saved_model.load(sys.argv[1]).translate(np.load('floats.npy'))\n"
        "np.savez('outputs.npz', **outputs)\n"
        "assert not any(name.startswith('ugatit_tf') for name in sys.modules)\n"
    )
    run_alone(["-c", program], path, cwd=tmp_path)
    expected = generator(floats)
    with np.load(tmp_path / "outputs.npz") as outputs:
        for name, value in zip(("output", "cam_logits", "heatmap"), expected, strict=True):
            np.testing.assert_allclose(outputs[name], value, rtol=0, atol=1e-4 * np.abs(value).max())


def test_files_of_all_kinds_and_sizes_in_one_batch(export):
    path, _ = export()
    loaded = tf.saved_model.load(str(path))
    large, small, wide = demo.draw("testA", 0, 48), demo.draw("testA", 1, 20), demo.draw("testA", 2, 64)[:40]
    files = [encoded(large, "PNG"), encoded(small, "JPEG"), encoded(wide, "BMP"), encoded(small, "GIF")]
    files.append(encoded(large[..., 0], "PNG"))
    results = loaded.signatures["serving_default"](image_bytes=tf.constant(files))["image_bytes"].numpy()
    for file, result in zip(files, results, strict=True):
        assert result.startswith(b"\x89PNG")
        decoded = image_ops.decode(tf.constant(file), 3)  # test_image_ops.py compares it with Pillow
        expected = loaded.translate_uint8(decoded[tf.newaxis])[0].numpy()
        # Rounded alike but for the convolutions' order of summation, which follows the size of the batch.
        assert np.abs(np.asarray(Image.open(io.BytesIO(result))).astype(int) - expected).max() <= 1


def test_pixels_are_the_projects_own(export):
    path, generator = export()
    loaded = tf.saved_model.load(str(path))
    expected = images.to_uint8(generator(images.to_float(pictures(3))).image.numpy()).astype(int)
    assert np.abs(loaded.translate_uint8(pictures(3)).numpy() - expected).max() <= 1
    layer = keras.layers.TFSMLayer(path, call_endpoint="translate_uint8")
    assert np.abs(layer(pictures(3)).numpy() - expected).max() <= 1


def test_the_weights_are_stored_once_and_nothing_else(export):
    path, generator = export()
    stored = tf.train.list_variables(str(path / "variables" / "variables"))
    shapes = [tuple(shape) for name, shape in stored if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert sorted(shapes) == sorted(tuple(variable.shape) for variable in generator.variables)


def test_the_example_translates_a_file(export, tmp_path):
    path, _ = export()
    Image.fromarray(demo.draw("testA", 0, 50)).save(tmp_path / "photo.jpg")
    run_alone([ROOT / "examples" / "use_saved_model.py"], path, "photo.jpg", "result.png", cwd=tmp_path)
    assert Image.open(tmp_path / "result.png").size == (32, 32)


def test_the_documented_rest_request_fits(export):
    """What TensorFlow Serving does with it: decodes {"b64": ...}, feeds the batch, and encodes what ends in _bytes."""
    request = (ROOT / "docs" / "export.md").read_text().partition("```json\n")[2].partition("```")[0]
    assert json.loads(request) == {"instances": [{"image_bytes": {"b64": "/9j/4AAQ..."}}]}
    path, _ = export()
    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    assert set(signature.structured_input_signature[1]) == set(signature.structured_outputs) == {"image_bytes"}


SERVE = """
import sys
import tensorflow as tf

serve = tf.saved_model.load(sys.argv[2]).signatures["serving_default"]

def check(path):
    try:
        (file,) = serve(image_bytes=tf.constant([path.read_bytes()]))["image_bytes"].numpy()
    except tf.errors.OpError:
        return "refused"
    assert tf.io.decode_png(file).shape == (32, 32, 3)
    return "answered"
"""


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_damaged_files_are_answered_or_refused(export, mutated, run_over, count):
    path, _ = export()
    whole = [encoded(demo.draw("testA", index, 40), kind) for index, kind in enumerate(("JPEG", "PNG", "GIF", "BMP"))]
    outcomes = run_over([*whole, *(mutated(whole[seed % 4], seed) for seed in range(count))], SERVE, path)
    assert outcomes["answered"] >= len(whole)
    assert outcomes["refused"] > 0


def test_a_translator_uses_cpu_kernels_and_an_export_does_not(export, monkeypatch):
    monkeypatch.setattr(convolution, "WINOGRAD_MINIMA", (0, 0))
    gathers = []
    gather = tf.gather
    monkeypatch.setattr(tf, "gather", lambda *arguments: gathers.append(1) or gather(*arguments))
    _, generator = export()
    assert not gathers
    Translator(generator, 32, 3).translate(pictures())
    assert gathers  # of Winograd's form
