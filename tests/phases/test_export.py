"""The export command as a user gives it."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import main
import ugatit_tf
from ugatit_tf import flags, phases
from ugatit_tf.data import demo
from ugatit_tf.errors import RunError
from ugatit_tf.export import saved_model
from ugatit_tf.export.web import litert

TINY = ["--dataset", "secret_place/mine", "--ch", "2", "--n_res", "1", "--img_size", "32"]
LIGHT = [*TINY, "--light", "True"]


def command(*arguments):
    """Runs the program in this process; returns its exit code."""
    return main.main(["main.py", "--phase", "export", *map(str, arguments)])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def trained(here, save_generators):
    """A run's dataset and checkpoint for some flags; returns its configuration."""

    def make(arguments):
        config = flags.parse(["main.py", *arguments], phases.table()).config
        for split in ("trainA", "trainB", "testA", "testB"):
            folder = here / "dataset" / "secret_place" / "mine" / split
            folder.mkdir(parents=True, exist_ok=True)
            for index in range(2):
                Image.fromarray(demo.draw(split, index, 40)).save(folder / f"private_{index}.png")
        save_generators(config)
        return config

    return make


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "arguments",
    [
        [*LIGHT, "--ema", "0.9"],
        pytest.param(LIGHT, marks=pytest.mark.slow),
        pytest.param([*TINY, "--img_ch", "1", "--sn", "False"], marks=pytest.mark.slow),
        pytest.param([*LIGHT, "--img_ch", "1"], marks=pytest.mark.slow),
        pytest.param([*LIGHT, "--img_ch", "4", "--smoothing", "False"], marks=pytest.mark.slow),
        pytest.param(TINY, marks=pytest.mark.slow),
    ],
    ids=" ".join,
)
def test_export_checks_itself_and_tells_no_secret(trained, here, capsys, arguments):
    config = trained(arguments)
    assert command(*arguments, "--export_format", "keras, saved_model") == 0
    output = capsys.readouterr().out
    assert ("model-7 (moving average)\n" in output) == ("--ema" in arguments)
    assert "Agrees with the checkpoint on 2 images in each direction." in output
    assert output.endswith(f"Exported to export/{config.model_dir}\n")
    folder = here / "export" / config.model_dir
    assert [path.name for path in (here / "export").iterdir()] == [config.model_dir]
    for direction in ("A2B", "B2A"):
        assert {path.name for path in (folder / direction).iterdir()} == {
            *("1", "generator.keras", "README.md", "signature.json")
        }
    picture = demo.draw("testA", 0, 32)[np.newaxis, ..., :1].repeat(config.img_ch, -1)
    translated = {
        direction: tf.saved_model.load(str(folder / direction / "1")).translate_uint8(picture).numpy().astype(int)
        for direction in ("A2B", "B2A")
    }
    for direction, pixels in translated.items():
        live = ugatit_tf.load_generator(config.run_checkpoint_dir, direction)(picture)
        assert np.abs(pixels - live).max() <= 1
    assert np.abs(translated["A2B"] - translated["B2A"]).max() > 1

    for name, data in files(folder).items():
        for secret in (b"private_", b"secret_place/", bytes(here), bytes(Path(main.__file__).parent), b"momentum"):
            assert secret not in data, name
    card = (folder / "A2B" / "README.md").read_text()
    assert "mine, A to B" in card
    assert "7 steps" in card
    assert f"diffaugment none, ema {config.ema}, seed 0" in card
    assert json.loads((folder / "A2B" / "signature.json").read_text())["image_channels"] == config.img_ch


@pytest.mark.slow
def test_tflite_prints_its_table(trained, here, capsys):
    config = trained(LIGHT)
    assert command(*LIGHT, "--export_format", "tflite") == 0
    lines = [line.split() for line in capsys.readouterr().out.split("\n")]
    names = ["float32", "float16", "attention", "dynamic", "int8"]
    assert [line[:2] for line in lines if line[:1] in (["A2B"], ["B2A"])] == [
        [direction, name] for direction in ("A2B", "B2A") for name in names
    ]
    for name, data in files(here / "export").items():
        assert b"private_" not in data, name
        assert bytes(here) not in data, name
    assert not (here / "export" / config.model_dir / "A2B" / "1").exists()


def test_a_page_without_its_runtime_is_refused_first(trained, here, capsys):
    trained(LIGHT)
    assert command(*LIGHT, "--export_format", "web,saved_model", "--web_runtime", "nowhere") == 1
    assert "cannot read nowhere/litertjs-core-" in error_line(capsys)
    assert not list((here / "export").iterdir())


@pytest.mark.slow
def test_a_page_is_exported(trained, here, capsys):
    config = trained(LIGHT)
    try:
        litert.read("")
    except RunError as error:
        pytest.skip(str(error))
    assert command(*LIGHT, "--export_format", "web") == 0
    output = capsys.readouterr().out
    assert f"python -m http.server 8000 --directory export/{config.model_dir}/web" in output
    assert [path.name for path in (here / "export" / config.model_dir).iterdir()] == ["web"]
    for name, data in files(here / "export").items():
        for secret in (b"private_", b"secret_place/", bytes(here)):
            assert secret not in data or "/runtime/" in name, name


@pytest.mark.slow
def test_onnx_is_exported_and_checked(trained, here, capsys):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    config = trained([*LIGHT, "--cam_heads", "2"])
    assert command(*LIGHT, "--cam_heads", "2", "--export_format", "onnx") == 0
    assert "Agrees with the checkpoint on 2 images in each direction." in capsys.readouterr().out
    folder = here / "export" / config.model_dir
    for direction in ("A2B", "B2A"):
        assert {path.name for path in (folder / direction).iterdir()} == {
            *("generator.onnx", "README.md", "signature.json")
        }
    for name, data in files(folder).items():
        for secret in (b"private_", b"secret_place/", bytes(here), bytes(Path(main.__file__).parent)):
            assert secret not in data, name
    assert 'onnxruntime.InferenceSession("generator.onnx")' in (folder / "A2B" / "README.md").read_text()


@pytest.mark.parametrize("missing", [("onnx",), ("onnx", "onnxruntime")])
def test_onnx_without_its_packages_is_refused_first(here, capsys, monkeypatch, missing):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in missing else name)
    assert command(*LIGHT, "--export_format", "saved_model,onnx") == 2
    line = f"--export_format onnx needs {' and '.join(missing)}: pip install -r requirements-onnx.txt"
    assert error_line(capsys) == f"main.py: {line}\n"
    assert not list(here.iterdir())


def test_onnx_on_a_full_disk_leaves_nothing(trained, here, capsys, full_disk):
    pytest.importorskip("onnx")
    config = trained(LIGHT)
    with full_disk(after=10_000):
        assert command(*LIGHT, "--export_format", "onnx") == 1
    assert f"cannot write export/{config.model_dir}: File too large" in error_line(capsys)
    assert not list((here / "export").iterdir())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--export_format", "huggingface"), "needs huggingface_hub: pip install -r requirements-hub.txt"),
        (("--license", "mit"), "--license is for --export_format huggingface"),
        (("--export_format", "huggingface", "--license", "MIT License"), "--license MIT License: must be lower-case"),
    ],
)
def test_what_the_hub_does_not_take_is_refused_first(trained, monkeypatch, capsys, flags, message):
    trained(LIGHT)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert command(*LIGHT, *flags) == 2
    assert message in error_line(capsys)


@pytest.mark.slow
def test_a_repository_for_the_hub_is_loaded_as_its_card_says(trained, here, capsys):
    """From a cache that is laid out as the Hub's package does, by that package offline, in fresh processes."""
    pytest.importorskip("huggingface_hub")
    config = trained(LIGHT)
    assert command(*LIGHT, "--export_format", "huggingface", "--license", "mit") == 0
    output = capsys.readouterr().out
    folder = here / "export" / config.model_dir
    assert "Agrees with the checkpoint on 2 images in each direction." in output
    assert f"hf upload USER/NAME export/{config.model_dir}/huggingface\n" in output
    assert [path.name for path in folder.iterdir()] == ["huggingface"]
    assert {path.name for path in (folder / "huggingface").iterdir()} == {"A2B", "B2A", "README.md", "samples"}
    for name, data in files(folder).items():
        for secret in (b"private_", b"secret_place/", bytes(here), bytes(Path(main.__file__).parent), b"momentum"):
            assert secret not in data, name

    commit = "0123456789" * 4
    cache = here / "home" / "hub" / "models--me--faces"
    for name, data in files(folder / "huggingface").items():
        (cache / "snapshots" / commit / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / "snapshots" / commit / name).write_bytes(data)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(commit)
    picture = demo.draw("testA", 0, 32)[np.newaxis]
    np.save(here / "picture.npy", picture)
    live = ugatit_tf.load_generator(config.run_checkpoint_dir, "A2B")(picture).astype(int)
    card = (folder / "huggingface" / "README.md").read_text()
    blocks = [part.partition("```")[0] for part in card.split("```python\n")[1:]]
    assert len(blocks) == 2
    for block in blocks:
        code = block.replace("USER/NAME", "me/faces")
        program = f"import numpy as np\nimages = np.load('picture.npy')\n{code}np.save('outputs.npy', outputs)"
        environment = {"HF_HOME": str(here / "home"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "-1"}
        if "ugatit_tf" in block:
            environment["PYTHONPATH"] = str(Path(main.__file__).parent)
        subprocess.run([sys.executable, "-c", program], env=os.environ | environment, check=True)
        assert np.abs(np.load(here / "outputs.npy").astype(int) - live).max() <= 1


@pytest.fixture
def written(monkeypatch):
    """Takes the time out of an export: writes one small file, and nothing is checked."""
    from ugatit_tf.export import verify

    def write(_generator, _size, folder):
        (folder / "1").mkdir()
        (folder / "1" / "saved_model.pb").write_text("new")

    monkeypatch.setattr(saved_model, "write", write)
    monkeypatch.setattr(verify, "check", lambda *_: [])


def error_line(capsys):
    error = capsys.readouterr().err
    assert error.startswith("main.py: ")
    assert error.count("\n") == 1
    return error


def test_an_export_is_replaced_only_when_asked_for(trained, written, here, capsys):
    config = trained(LIGHT)
    assert command(*LIGHT) == 0
    stale = here / "export" / config.model_dir / "A2B" / "stale"
    stale.write_text("old")
    assert command(*LIGHT) == 1
    assert f"export/{config.model_dir} exists already: give --overwrite" in error_line(capsys)
    assert stale.exists()
    assert command(*LIGHT, "--overwrite") == 0
    assert not stale.exists()
    assert [path.name for path in (here / "export").iterdir()] == [config.model_dir]


def test_without_the_dataset_a_repository_has_no_samples(trained, written, here):
    pytest.importorskip("huggingface_hub")
    config = trained(LIGHT)
    shutil.rmtree(here / "dataset")
    assert command(*LIGHT, "--export_format", "huggingface") == 0
    folder = here / "export" / config.model_dir / "huggingface"
    assert {path.name for path in folder.iterdir()} == {"A2B", "B2A", "README.md"}


def test_a_failed_check_leaves_the_old_export(trained, here, capsys, monkeypatch):
    config = trained(LIGHT)
    folder = here / "export" / config.model_dir
    folder.mkdir(parents=True)
    (folder / "old").write_text("old")

    def write_another(generator, size, place):
        variable = next(variable for variable in generator.variables if "G_logit/bias" in variable.path)
        variable.assign_add([0.5, 0.0, 0.0])
        write(generator, size, place)
        variable.assign_sub([0.5, 0.0, 0.0])

    write = saved_model.write
    monkeypatch.setattr(saved_model, "write", write_another)
    assert command(*LIGHT, "--overwrite") == 1
    assert "The export's check failed: A2B saved_model" in error_line(capsys)
    assert files(here / "export") == {f"{config.model_dir}/old": b"old"}
    assert [path.name for path in (here / "export").iterdir()] == [config.model_dir]


def test_a_full_disk_leaves_the_old_export(trained, here, capsys, monkeypatch):
    config = trained(LIGHT)
    folder = here / "export" / config.model_dir
    folder.mkdir(parents=True)
    (folder / "old").write_text("old")

    def fail(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device\nsecond line")

    monkeypatch.setattr(saved_model, "write", fail)
    assert command(*LIGHT, "--overwrite") == 1
    assert f"cannot write export/{config.model_dir}: No space left on device" in error_line(capsys)
    assert files(here / "export") == {f"{config.model_dir}/old": b"old"}


def test_a_place_that_cannot_be_written(trained, here, capsys, monkeypatch):
    trained(LIGHT)
    (here / "file").write_text("")
    assert command(*LIGHT, "--export_dir", "file") == 1
    assert "cannot make the folder file" in error_line(capsys)

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    (here / "export").mkdir()
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert command(*LIGHT) == 1
    assert "Permission denied" in error_line(capsys)
    assert not list((here / "export").iterdir())


def test_without_a_checkpoint(here, capsys):
    assert command(*LIGHT) == 1
    assert "No checkpoint UGATIT_light.model-* in checkpoint/" in error_line(capsys)
    assert not (here / "export").exists()


def test_an_unknown_format_lists_the_known_ones(here, capsys):
    for value in ("caffe", "saved_model,caffe", ""):
        assert command(*LIGHT, "--export_format", value) == 2
        known = "saved_model, tflite, keras, onnx, web, huggingface"
        assert f"one or more of {known}, separated by commas" in error_line(capsys)


def test_a_size_that_a_full_network_does_not_fit(trained, here, capsys):
    trained([*TINY, "--n_dis", "4"])
    assert command(*TINY, "--n_dis", "4", "--img_size", "36") == 1
    assert "--img_size is 36 but the checkpoints were trained with 32" in error_line(capsys)
    assert not (here / "export").exists()


def test_a_light_network_is_exported_at_another_size(trained, written, here):
    config = trained([*LIGHT, "--n_dis", "4"])
    assert command(*LIGHT, "--n_dis", "4", "--img_size", "36") == 0
    signature = json.loads((here / "export" / config.model_dir / "A2B" / "signature.json").read_text())
    assert signature["image_size"] == 36


def test_tflite_needs_training_images(trained, here, capsys):
    trained(LIGHT)
    assert command(*LIGHT, "--export_format", "tflite", "--dataset_dir", "nowhere") == 1
    assert "nowhere/secret_place/mine/trainA (no such folder)" in error_line(capsys)
    assert not list((here / "export").iterdir())


def test_without_its_dataset_a_checkpoint_is_checked_on_built_in_images(trained, written, capsys):
    trained(LIGHT)
    assert command(*LIGHT, "--dataset_dir", "nowhere") == 0
    output = capsys.readouterr().out
    assert "The dataset is not here: A2B is checked with built-in images." in output
    assert "Agrees with the checkpoint on 8 images" in output


def test_images_that_cannot_be_read_are_passed_over(trained, written, here, capsys):
    trained(LIGHT)
    (here / "dataset" / "secret_place" / "mine" / "testA" / "a.jpg").write_bytes(b"no jpeg")
    assert command(*LIGHT) == 0
    output = capsys.readouterr().out
    assert "Skipped: dataset/secret_place/mine/testA/a.jpg" in output
    assert "on 2 images" in output
