import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import ugatit_tf
from ugatit_tf.checkpoints.checkpoint import open_run
from ugatit_tf.data import demo, images
from ugatit_tf.errors import RunError
from ugatit_tf.export import formats
from ugatit_tf.inference import Translator
from ugatit_tf.networks.generator import Translation

ROOT = Path(__file__).parents[1]
PICTURES = np.stack([demo.draw("testA", index, 40) for index in range(2)])


def expected(generator):
    resized = np.stack([images.resize(picture, 32) for picture in PICTURES])
    return images.to_uint8(generator(images.to_float(resized)).image.numpy())


def within_one_level(a, b):
    assert a.dtype == b.dtype == np.uint8
    assert np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.parametrize("direction", ["A2B", "B2A"])
def test_a_checkpoint_folder_may_have_moved(tiny_config, save_generators, tmp_path, direction):
    generators = save_generators(tiny_config)
    shutil.move(tiny_config.run_checkpoint_dir, tmp_path / "renamed")
    translator = ugatit_tf.load_generator(tmp_path / "renamed", direction)
    within_one_level(translator(PICTURES), expected(generators[direction]))


@pytest.mark.parametrize(("ema", "averages"), [(0.9, True), (0.9, False), (0.0, True)])
def test_averages_are_taken_where_they_are_and_the_run_has_them(tiny_config, save_generators, ema, averages):
    config = dataclasses.replace(tiny_config, ema=ema)
    generators = save_generators(config, averages=averages)
    checkpoint = open_run(dataclasses.replace(config, ema=0.0))  # as nobody gives it for testing
    assert checkpoint.config.ema == ema
    assert checkpoint.label == "UGATIT_light.model-7" + (" (moving average)" if ema and averages else "")
    for direction, generator in generators.items():
        within_one_level(ugatit_tf.load_generator(config.run_checkpoint_dir, direction)(PICTURES), expected(generator))
        for variable, original in zip(checkpoint.generator(direction).variables, generator.variables, strict=True):
            np.testing.assert_array_equal(variable, original)


def test_a_damaged_newest_checkpoint_is_passed_over(tiny_config, save_generators, caplog):
    generators = save_generators(tiny_config)
    for suffix in (".index", ".data-00000-of-00001"):
        (tiny_config.run_checkpoint_dir / f"UGATIT_light.model-8{suffix}").write_bytes(b"half a checkpoint")
    translator = ugatit_tf.load_generator(tiny_config.run_checkpoint_dir)
    within_one_level(translator(PICTURES), expected(generators["A2B"]))
    assert "model-8" in caplog.text


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("place", ["1", "generator.keras"])
def test_what_was_exported_is_loaded(tiny_config, scrambled_generator, tmp_path, place, light):
    config = dataclasses.replace(tiny_config, light=light)
    generator = scrambled_generator(config)
    name = "saved_model" if place == "1" else "keras"
    formats.FORMATS[name].write(generator, 32, tmp_path, np.empty(0))
    translator = ugatit_tf.load_generator(str(tmp_path / place))
    within_one_level(translator(PICTURES), expected(generator))
    floats = images.to_float(PICTURES[:, :32, :32])
    for ours, live in zip(translator.translate(PICTURES[:, :32, :32]), generator(floats), strict=True):
        np.testing.assert_allclose(ours, live, rtol=0, atol=1e-4 * np.abs(live).max())


def test_a_keras_file_needs_one_import_in_another_process(tiny_config, scrambled_generator, tmp_path):
    generator = scrambled_generator(tiny_config)
    generator.save(tmp_path / "generator.keras")
    np.save(tmp_path / "x.npy", images.to_float(PICTURES[:, :32, :32]))
    program = (
        "import sys, keras, numpy as np; import ugatit_tf.networks.generator\n"
        "np.save('y.npy', keras.saving.load_model('generator.keras')(np.load('x.npy')).image)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True)
    live = generator(np.load(tmp_path / "x.npy")).image
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), live, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "pictures", [PICTURES.astype(np.float32), PICTURES[0], PICTURES[..., :1]], ids=["floats", "no batch", "grey"]
)
def test_other_than_uint8_batches_are_refused(tiny_config, save_generators, pictures):
    save_generators(tiny_config)
    translator = ugatit_tf.load_generator(tiny_config.run_checkpoint_dir)
    with pytest.raises(ValueError, match=r"expected uint8 \[B, H, W, 3\]"):
        translator(pictures)


def test_another_direction_is_refused(tmp_path):
    with pytest.raises(ValueError, match="one of A2B, B2A, not 'A2A'"):
        ugatit_tf.load_generator(tmp_path, "A2A")


def one_line(path):
    with pytest.raises(RunError) as error:
        ugatit_tf.load_generator(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    return str(error.value)


def test_what_cannot_be_loaded_is_told_in_one_line(tiny_config, tmp_path):
    assert "no folder of checkpoints" in one_line(tmp_path / "nowhere")
    assert "no folder of checkpoints" in one_line(tmp_path)
    (tmp_path / "config.json").write_text(tiny_config.to_json())
    assert "has no checkpoint" in one_line(tmp_path)
    (tmp_path / "x.keras").write_bytes(b"no zip")
    assert "damaged or not a Keras model" in one_line(tmp_path / "x.keras")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no protobuf")
    assert "damaged" in one_line(tmp_path / "1")
    tf.saved_model.save(tf.Module(), str(tmp_path / "2"))
    assert "of another program" in one_line(tmp_path / "2")


def test_a_checkpoint_may_be_named(tiny_config, save_generators):
    save_generators(tiny_config)
    folder = tiny_config.run_checkpoint_dir
    newest, named = (ugatit_tf.load_generator(folder, checkpoint=which) for which in ("newest", "7"))
    within_one_level(newest(PICTURES), named(PICTURES))
    with pytest.raises(RunError, match="no checkpoint of step 8; it has steps 7"):
        ugatit_tf.load_generator(folder, checkpoint="8")
    with pytest.raises(RunError, match=r"g\.keras is an export: it has no checkpoint best"):
        ugatit_tf.load_generator(folder / "g.keras", checkpoint="best")


def test_any_number_of_pictures_is_translated_in_parts(monkeypatch):
    parts = []

    def generate(batch):
        parts.append(tf.shape(batch)[0])
        return Translation(-tf.convert_to_tensor(batch), batch, batch)

    monkeypatch.setattr(tf, "function", lambda function, **_: function)
    translator = Translator(generate, 4, 3)
    pictures = np.random.default_rng(0).integers(0, 256, (70, 4, 4, 3)).astype(np.uint8)
    np.testing.assert_array_equal(translator(pictures), 255 - pictures)
    assert list(map(int, parts)) == [32, 32, 6]
    assert translator(pictures[:0]).shape == (0, 4, 4, 3)
