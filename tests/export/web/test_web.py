"""The exported folder, and the page's files, without a browser."""

import dataclasses
import hashlib
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from ugatit_tf.checkpoints.checkpoint import open_run
from ugatit_tf.data import demo, images
from ugatit_tf.export import web
from ugatit_tf.export.web import litert

SCRIPTS = sorted(web.PAGE.glob("*.js"))


def test_the_folder_holds_all_that_the_page_asks_for(tiny_config, save_generators, tmp_path):
    generators = save_generators(tiny_config)
    config = dataclasses.replace(tiny_config, crop_A="face", face_margin=0.25)
    runtime, finders = {"index.js": b"runtime"}, {"faces": b"network"}
    web.write(tmp_path / "web", config, open_run(tiny_config), generators, runtime=runtime, finders=finders)
    settings = json.loads((tmp_path / "web" / "settings.json").read_bytes())
    assert (settings["engine"], settings["checkpoint"]) == ("browser", "UGATIT_light.model-7")
    assert (settings["dataset"], settings["size"], settings["channels"]) == ("demo", 32, 3)
    assert (tmp_path / "web" / settings["runtime"] / "index.js").read_bytes() == b"runtime"
    assert [each["crop"] for each in settings["directions"].values()] == ["face", "center"]
    assert settings["directions"]["A2B"]["face_margin"] == 0.25
    assert (tmp_path / "web" / settings["networks"]["faces"]["file"]).read_bytes() == b"network"
    assert settings["networks"]["faces"]["bytes"] == len(b"network")
    notice = (tmp_path / "web" / "weights" / "NOTICE.txt").read_text()
    assert "MediaPipe, by Google" in notice
    assert "Apache License" in notice
    floats = images.to_float(demo.draw("testA", 0, 32)[np.newaxis])
    for direction, facts in settings["directions"].items():
        data = (tmp_path / "web" / facts["weights"]).read_bytes()
        assert len(data) == facts["bytes"]
        assert hashlib.sha256(data).hexdigest()[:12] in facts["weights"]
        output = Interpreter(model_content=data).get_signature_runner()(images=floats)["output"]
        np.testing.assert_allclose(output, generators[direction](floats).image, rtol=0, atol=0.1)
    for path in web.PAGE.iterdir():
        assert (tmp_path / "web" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("options", "needed"),
    [
        ({}, []),
        ({"crop_A": "content"}, []),
        ({"crop_B": "face"}, ["faces"]),
        ({"crop": "face", "background_A": "white"}, ["faces", "people"]),
    ],
)
def test_only_networks_that_the_run_needs_are_fetched(tiny_config, monkeypatch, options, needed):
    monkeypatch.setattr(web.assets, "read", lambda name, folder: name.encode() + folder.encode())
    config = dataclasses.replace(tiny_config, assets="here", **options)
    names = {"faces": b"face_detection_short_range.tflitehere", "people": b"selfie_segmentation.tflitehere"}
    assert web.read_finders(config) == {what: names[what] for what in needed}


def test_page_and_service_worker_have_one_policy():
    page = (web.PAGE / "index.html").read_text()
    worker = (web.PAGE / "service-worker.js").read_text()
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page)[1]
    parts = re.search(r'"Content-Security-Policy":\s+((?:"[^"]*"\s*\+?\s*)+)', worker)[1]
    assert "".join(re.findall(r'"([^"]*)"', parts)) == policy
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy


def test_no_file_names_another_place():
    for path in [*SCRIPTS, web.PAGE / "index.html", web.PAGE / "style.css"]:
        found = set(re.findall(r"https?://[\w.:/]*", path.read_text()))
        assert found <= {"http://localhost:8000"}, path.name


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_well_formed(path):
    kind = "commonjs" if path.name in ("worker.js", "service-worker.js") else "module"
    command = ["node", "--check", f"--experimental-default-type={kind}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(("width", "height", "size"), [(50, 50, 32), (32, 32, 32), (20, 20, 32), (20, 90, 32)])
def test_the_page_resizes_as_the_training_did(width, height, size, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    shutil.copy(web.PAGE / "resample.js", tmp_path / "resample.mjs")
    (tmp_path / "run.mjs").write_text(
        'import { resample } from "./resample.mjs";\n'
        f"const pixels = Uint8ClampedArray.from({pixels.ravel().tolist()});\n"
        f"const result = resample(pixels, {width}, {height}, 3, {size}, {size});\n"
        "console.log(JSON.stringify([...result]));\n"
    )
    done = subprocess.run(["node", str(tmp_path / "run.mjs")], capture_output=True, text=True, check=True)
    resized = np.array(json.loads(done.stdout)).reshape(size, size, 3)
    off = np.abs(resized - images.resize(pixels, size).astype(int))
    assert off.max() <= 1
    if width == height:  # Pillow turns to the height first where that is less work
        assert np.mean(off > 0) < 0.01


def test_the_runtime_has_its_licence():
    assert "Apache License" in (web.PAGE / "LICENSE-LiteRT.txt").read_text()
    assert "LICENSE-LiteRT.txt" in litert._NOTICE
