"""The service over a real connection, as a client has it."""

import base64
import dataclasses
import http.client
import io
import json
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import chromium
from drawn_faces import Detector, face_at
from ugatit_tf.checkpoints import writer
from ugatit_tf.checkpoints.checkpoint import open_run
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.data import crops, demo, images
from ugatit_tf.export import saved_model, web
from ugatit_tf.options import NEWEST
from ugatit_tf.serving import app
from ugatit_tf.serving.networks import Networks
from ugatit_tf.system import assets

LIMITS = app.Limits(pixels=10_000, upload=100_000, queue=64, seconds=60)


class Client:
    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, **headers):
        """The status, and the answer's body taken for JSON where it is that."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        self.headers = response.headers
        return response.status, json.loads(data) if response.headers["content-type"] == "application/json" else data

    def translate(self, *files, query="", **message):
        instances = [{"image_bytes": {"b64": base64.b64encode(file).decode()}} for file in files]
        return self.ask("POST", f"/translate{query}", json.dumps({"instances": instances} | message))


def of_run(config):
    return Networks(config, RunFolder(config.run_checkpoint_dir))


@pytest.fixture
def serve(tiny_config, save_generators):
    """Serves a tiny run, or what stands in for its networks; returns a client."""
    running = []

    def start(networks=None, limits=LIMITS, checkpoint=NEWEST, **changes):
        checkpoint_ = open_run(tiny_config)
        changed = dataclasses.replace(tiny_config, **changes)
        settings = web.settings(changed, checkpoint_) | {"engine": "server", "device": "a computer"}
        service = app.Service(networks or of_run(tiny_config), settings, checkpoint, limits)
        listener = app.listen("127.0.0.1", 0)
        made = service.server("127.0.0.1")
        thread = threading.Thread(target=made.run, kwargs={"sockets": [listener]})
        thread.start()
        running.append((made, thread, listener))
        return Client(listener.getsockname()[1])

    start.generators = save_generators(tiny_config)
    yield start
    for made, thread, listener in running:
        made.should_exit = True
        thread.join(30)
        listener.close()


@pytest.fixture
def pictures():
    """A PNG file, and a JPEG file that lies on its side."""
    upright = Image.fromarray(demo.draw("testA", 1, 64)).resize((60, 40))
    exif = Image.Exif()
    exif[0x112] = 6
    file = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", exif=exif)
    return images.encode(demo.draw("testA", 0, 32)), file.getvalue()


def pixels(prediction):
    return images.load(io.BytesIO(base64.b64decode(prediction["b64"])), None).astype(int)


def expected(generator, file):
    square = images.load(io.BytesIO(file), 32)[np.newaxis]
    return images.to_uint8(generator(images.to_float(square)).image.numpy())[0]


def test_files_to_files_in_both_directions(serve, pictures):
    client = serve()
    for direction, generator in serve.generators.items():
        status, answer = client.translate(*pictures, query=f"?direction={direction}")
        assert status == 200
        assert client.headers["cross-origin-resource-policy"] == "same-origin"
        assert client.headers["cross-origin-embedder-policy"] == "require-corp"
        assert list(answer) == ["predictions"]
        for prediction, file in zip(answer["predictions"], pictures, strict=True):
            assert np.abs(pixels(prediction) - expected(generator, file)).max() <= 1


def test_pictures_are_cropped_as_the_runs_were_on_request(serve, monkeypatch):
    face = face_at(30, 30, 8)
    detector = Detector(lambda picture: [face] if picture.shape[1] == 80 else [])
    monkeypatch.setattr(crops.faces, "detector", lambda _: detector)
    client = serve(crop="face")
    picture = demo.draw("testA", 1, 80)
    status, answer = client.translate(images.encode(picture), query="?crop=run")
    assert status == 200
    region = crops.faces.around(face, 0.5)
    expected = client.translate(images.encode(crops.cut(picture, region, 32)))[1]
    assert answer == expected != client.translate(images.encode(picture))[1]
    status, answer = client.translate(images.encode(picture[:, :60]), query="?crop=run")
    assert (status, answer) == (400, {"error": "picture 0: no face found"})
    assert client.translate(images.encode(picture), query="?crop=x")[0] == 400


def test_the_page_gets_the_squares_around_faces(serve, monkeypatch):
    face = face_at(30, 30, 8, 10)
    monkeypatch.setattr(crops.faces, "detector", lambda _: Detector(lambda picture: [face]))
    picture = images.encode(demo.draw("testA", 1, 80))
    message = json.dumps({"instances": [{"image_bytes": {"b64": base64.b64encode(picture).decode()}}]})
    client = serve(crop="face")
    status, answer = client.ask("POST", "/faces?direction=B2A", message)
    assert status == 200
    ((square,),) = [each["squares"] for each in answer["predictions"]]
    region = crops.faces.around(face, 0.5)
    assert square.pop("exact") is True
    assert square == {name: getattr(region, name) for name in square}
    assert client.ask("POST", "/faces", b"{}")[0] == 400
    assert client.ask("POST", "/mask", message)[0] == 404  # the background stays
    assert serve().ask("POST", "/faces", message)[0] == 404


def test_the_same_message_is_for_tensorflow_serving_too(serve, pictures, tmp_path):
    client = serve()
    _, answer = client.translate(pictures[0], signature_name="serving_default")
    saved_model.write(serve.generators["A2B"], 32, tmp_path)
    loaded = tf.saved_model.load(str(tmp_path / "1"))
    (file,) = loaded.signatures["serving_default"](image_bytes=tf.constant([pictures[0]]))["image_bytes"].numpy()
    assert np.abs(pixels(answer["predictions"][0]) - images.load(io.BytesIO(file), None)).max() <= 1


def test_heatmap_and_logits_on_request(serve, pictures):
    client = serve()
    _, answer = client.translate(pictures[0], signature_name="attention")
    (prediction,) = answer["predictions"]
    square = images.load(io.BytesIO(pictures[0]), 32)[np.newaxis]
    made = serve.generators["A2B"](images.to_float(square))
    assert np.abs(pixels(prediction["image_bytes"]) - expected(serve.generators["A2B"], pictures[0])).max() <= 1
    np.testing.assert_allclose(prediction["heatmap"], made.heatmap[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(prediction["cam_logits"], made.cam_logits[0], rtol=1e-3, atol=1e-3)


def test_checkpoints_that_come_later_can_be_asked_for(serve, tiny_config, pictures):
    client = serve()
    generators = serve.generators
    assert client.ask("GET", "/settings.json")[1]["checkpoints"] == ["UGATIT_light.model-7"]
    before = expected(generators["A2B"], pictures[0])
    variables = [variable for generator in generators.values() for variable in generator.variables]
    for variable in variables:
        variable.assign(0.5 * variable)
    writer.CheckpointWriter(variables, tiny_config).save(8)
    settings = client.ask("GET", "/settings.json")[1]
    assert settings["checkpoints"] == ["UGATIT_light.model-8", "UGATIT_light.model-7"]
    assert settings["checkpoint"] == "UGATIT_light.model-8"
    after = expected(generators["A2B"], pictures[0])
    for query, pixels_ in (("7", before), ("UGATIT_light.model-8", after)):
        _, answer = client.translate(pictures[0], query=f"?checkpoint={query}")
        assert np.abs(pixels(answer["predictions"][0]) - pixels_).max() <= 1
    assert serve(checkpoint="7").ask("GET", "/settings.json")[1]["checkpoint"] == "UGATIT_light.model-7"
    status, answer = client.translate(pictures[0], query="?checkpoint=../7")
    assert (status, "UGATIT_light.model-8, UGATIT_light.model-7" in answer["error"]) == (404, True)


GARBAGE = [
    b"",
    b"no json",
    b"[]",
    b"{}",
    b'{"instances": 1}',
    b'{"instances": []}',
    b"[" * 50_000,
    b"\xff\xfe",
    b"null",
]
GARBAGE += [
    b'{"instances": [{"image_bytes": {"b64": %s}}]}' % each for each in (b"5", b'""', b'"!!"', b'"iVBORw0KGgo="')
]
GARBAGE += [b'{"instances": [{"b64": "AAAA"}]}', b'{"instances": [{"image_bytes": {"b64": "AAAA"}}']


def test_garbage_is_the_clients_mistake(serve):
    client = serve()
    for body in GARBAGE:
        status, answer = client.ask("POST", "/translate", body)
        assert status == 400, body
        assert answer["error"]


def test_base64_is_taken_as_programs_write_it(serve, pictures):
    client = serve()
    assert all({"+", "/"} <= set(base64.b64encode(file).decode()) for file in pictures)  # which URL-safe text has not
    for file in pictures:
        plain = base64.b64encode(file).decode()
        safe = base64.urlsafe_b64encode(file).decode()
        wrapped = base64.encodebytes(file).decode()
        forms = [plain, plain.rstrip("="), safe, safe.rstrip("="), wrapped, wrapped.replace("\n", "\r\n")]
        forms += [f"data:image/png;base64,{plain}", f"DATA:;base64,{plain}", f"data:image/png;name=a.png;base64,{safe}"]
        forms += [f"data:image/png;base64,{quote(plain, safe='')}", f" {plain}\n"]
        answers = set()
        for text in forms:
            body = json.dumps({"instances": [{"image_bytes": {"b64": text}}]})
            status, answer = client.ask("POST", "/translate", body)
            assert status == 200, text[:40]
            answers.add(answer["predictions"][0]["b64"])
        assert len(answers) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("iVBO!Rw0", "b64 is not base64: it has the character '!'"),
        ("iVBO=Rw0", "b64 is not base64: it has the character '='"),
        ("päckchen", "b64 is not base64: it has the character 'ä'"),
        ("data:image/svg+xml,%3Csvg/%3E", "b64 is not base64: it has the character ':'"),
        ("iVBOR", "b64 is not base64: its 5 characters are one too many or too few"),
    ],
)
def test_what_is_not_base64_is_called_that(serve, pictures, text, problem):
    good = base64.b64encode(pictures[0]).decode()
    body = json.dumps({"instances": [{"image_bytes": {"b64": each}} for each in (good, text)]})
    assert serve().ask("POST", "/translate", body) == (400, {"error": f"picture 1: {problem}"})


def test_base64_of_what_is_no_picture_is_not_blamed_on_base64(serve):
    status, answer = serve().translate(b"no picture")
    assert status == 400
    assert "base64" not in answer["error"]
    assert answer["error"].startswith("picture 0")


def test_more_than_is_allowed(serve, pictures):
    client = serve()
    small = images.encode(demo.draw("testA", 0, 32))
    status, answer = client.translate(images.encode(np.zeros((100, 101, 3), np.uint8)))
    assert (status, answer["error"]) == (400, "picture 0: 101 x 100 pixels, at most 10,000 are allowed")
    assert client.translate(images.encode(np.zeros((100, 100, 3), np.uint8)))[0] == 200
    assert client.translate(*[small] * 9)[0] == 400
    status, answer = client.translate(small, signature_name="other")
    assert (status, answer["error"]) == (400, "signature_name must be serving_default or attention")
    assert client.translate(small, query="?direction=A2A")[0] == 400
    assert client.ask("POST", "/translate", b"x" * 100_001)[0] == 413
    assert client.ask("GET", "/../app.py")[0] == 404


class Stuck:
    """Networks that are busy until they are let go."""

    def __init__(self, config):
        self.config = config
        self.names = ["model-1"]
        self.busy, self.go = threading.Event(), threading.Event()
        self.pictures = 0

    def find(self, _):
        return "model-1"

    def translate(self, _name, _direction, pictures):
        self.pictures += len(pictures)
        self.busy.set()
        assert self.go.wait(60)
        return images.to_float(pictures), np.zeros((len(pictures), 2)), np.zeros((len(pictures), 8, 8))


def test_a_full_queue_refuses_and_recovers(serve, tiny_config, pictures):
    stuck = Stuck(tiny_config)
    client = serve(stuck, app.Limits(10_000, 100_000, 1, 60))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(Client(client.port).translate, pictures[0])
        assert stuck.busy.wait(60)
        assert client.translate(pictures[0]) == (503, {"error": "too many requests wait already"})
        assert client.headers["retry-after"] == "1"
        stuck.go.set()
        assert waiting.result()[0] == 200
    assert client.translate(pictures[0])[0] == 200


def test_who_waits_too_long_is_told_and_not_computed(serve, tiny_config, pictures):
    stuck = Stuck(tiny_config)
    client = serve(stuck, app.Limits(10_000, 100_000, 8, 0.3))
    for _ in range(2):
        assert client.translate(pictures[0]) == (504, {"error": "it took too long"})
    stuck.go.set()
    while client.translate(pictures[0])[0] != 200:
        pass
    assert stuck.pictures == 2  # the first, and the last


def test_an_upload_that_never_ends_is_given_up(serve, tiny_config):
    client = serve(Stuck(tiny_config), app.Limits(10_000, 100_000, 1, 0.3))
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=60)
    connection.putrequest("POST", "/translate")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"{")
    assert connection.getresponse().status == 504
    connection.close()
    assert client.ask("POST", "/translate", b"")[0] == 400  # and its place in the queue is free


def test_a_damaged_checkpoint_is_told(serve, tiny_config, pictures):
    client = serve()
    path = tiny_config.run_checkpoint_dir / "UGATIT_light.model-7.data-00000-of-00001"
    path.write_bytes(bytes(path.stat().st_size))
    status, answer = client.translate(pictures[0])
    assert status == 500
    assert "UGATIT_light.model-7" in answer["error"]


written = []
sys.addaudithook(lambda event, args: _note(args) if event == "open" else None)  # cannot be taken away again


def _note(args):
    path, _, flags = args
    if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(path)


def test_nothing_is_written_to_the_disk(serve, pictures):
    client = serve(limits=app.Limits(50_000_000, 100_000_000, 8, 60))
    client.translate(pictures[0])
    noise = np.random.default_rng(0).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    file = images.encode(noise)
    written.clear()
    assert client.translate(file)[0] == 200
    assert client.translate(file[:-1000])[0] == 400
    assert not written


def test_an_address_in_use_is_told():
    with app.listen("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(app.RunError, match=f"cannot listen on 127.0.0.1, port {port}: Address already in use"):
            app.listen("127.0.0.1", port)
    with pytest.raises(app.RunError, match="cannot listen on nowhere.invalid, port 80"):
        app.listen("nowhere.invalid", 80)


@pytest.mark.slow
@pytest.mark.skipif(chromium.browser() is None, reason="needs Chromium and playwright")
def test_the_page_translates_by_the_server(serve, tiny_config):
    variables = [variable for generator in serve.generators.values() for variable in generator.variables]
    for variable in variables:
        variable.assign(0.5 * variable)
    writer.CheckpointWriter(variables, tiny_config).save(8)
    client = serve()
    picture = demo.draw("testA", 0, 32)
    with chromium.opened(chromium.browser(), f"http://127.0.0.1:{client.port}/") as page:
        page.context.on("request", lambda request: asked.append(request.url))
        asked = []
        page.reload()
        page.wait_for_function("() => document.querySelector('#status').textContent.startsWith('Ready')")
        assert "it keeps none of them" in page.inner_text("#privacy")
        for checkpoint, direction in ((8, "A2B"), (7, "A2B"), (7, "B2A")):
            page.select_option("#checkpoint select", f"UGATIT_light.model-{checkpoint}")
            page.check(f"input[value={direction}]")
            name = f"{checkpoint}-{direction}.png"
            chromium.drop(page, name, picture)
            result = chromium.wait_for(page, name, 3)
            made = of_run(tiny_config).translate(f"UGATIT_light.model-{checkpoint}", direction, picture[np.newaxis])
            assert np.abs(result.astype(int) - images.to_uint8(made.image)[0]).max() <= 1
        page.check("#heatmap")
        assert {url.split("/")[2] for url in asked if not url.startswith("blob:")} == {f"127.0.0.1:{client.port}"}


@pytest.mark.slow
@pytest.mark.skipif(chromium.browser() is None, reason="needs Chromium and playwright")
@pytest.mark.skipif(not all(map(assets.is_cached, assets.ASSETS)), reason="takes networks that npm fetches")
def test_the_page_crops_and_masks_by_the_server(serve):
    client = serve(limits=app.Limits(10**6, 10**6, 8, 60), crop="face", background="white")
    picture = demo.draw("testA", 0, 200)
    with chromium.opened(chromium.browser(), f"http://127.0.0.1:{client.port}/") as page:
        chromium.drop(page, "face.png", picture)
        chromium.wait_for(page, "face.png", 3)
        url = page.evaluate("() => document.querySelector('.compare canvas').toDataURL()")
    seen = images.load(io.BytesIO(base64.b64decode(url.partition(",")[2])), None).astype(int)
    cropper = crops.Cropper.of(Config(crop="face", background="white"), "A", "center")
    expected = cropper.square(picture, cropper.find(picture)[0], 32)
    assert np.mean(np.abs(seen - expected) <= 3) > 0.99


def test_the_page_begins_with_the_newest_checkpoint_where_its_own_is_gone(serve):
    assert serve(checkpoint="6").ask("GET", "/settings.json")[1]["checkpoint"] == "UGATIT_light.model-7"


def test_another_checkpoint_of_the_same_name_is_loaded_anew(serve, tiny_config, pictures):
    client = serve()
    client.translate(pictures[0])
    variables = [variable for generator in serve.generators.values() for variable in generator.variables]
    for variable in variables:
        variable.assign(0.5 * variable)
    writer.CheckpointWriter(variables, tiny_config).save(7)  # a training that was begun anew
    after = expected(serve.generators["A2B"], pictures[0])
    _, answer = client.translate(pictures[0])
    assert np.abs(pixels(answer["predictions"][0]) - after).max() <= 1
