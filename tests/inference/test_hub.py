"""Networks from the Hub: from a cache as huggingface_hub lays it out, offline, and from a server that refuses."""

import importlib.util
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

import ugatit_tf
from ugatit_tf.data import images
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.inference import hub

COMMIT, OTHER = "0123456789abcdef" * 2 + "01234567", "f" * 40


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UsageError, match=r"^hf://user/name needs huggingface_hub: pip install -r requirements-hub\.txt$"
    ):
        ugatit_tf.load_generator("hf://user/name")


@pytest.mark.parametrize("address", ["hf://", "hf://name", "hf://user/name/A2B", "hf://user/na me", "hf://user/name@"])
def test_what_is_no_address_is_told(address):
    with pytest.raises(RunError, match=rf"^{address} is no address of the Hub, such as hf://USER/NAME or "):
        ugatit_tf.load_generator(address)


def test_there_are_no_checkpoints():
    with pytest.raises(RunError, match=r"^hf://user/name is an export: it has no checkpoint best\.$"):
        ugatit_tf.load_generator("hf://user/name", checkpoint="best")


@pytest.fixture
def constants(tmp_path, monkeypatch):
    """The settings of the package, set to offline and to an empty cache: tmp_path."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return constants


@pytest.fixture
def cached(constants, tmp_path, tiny_config, scrambled_generator):
    """A repository "user/name" in the cache: A2B in the commit `main`, and another A2B in "old"; those generators."""
    place = tmp_path / "models--user--name"
    generators = {}
    for name, commit, domain in (("main", COMMIT, "B"), ("old", OTHER, "A")):
        generators[name] = scrambled_generator(tiny_config, domain)
        snapshot = place / "snapshots" / commit / "A2B"
        for folder in (snapshot, place / "blobs", place / "refs"):
            folder.mkdir(parents=True, exist_ok=True)
        generators[name].save(place / "blobs" / f"{name}.keras")
        (snapshot / "generator.keras").symlink_to(f"../../../blobs/{name}.keras")
        (place / "refs" / name).write_text(commit)
    return generators


@pytest.mark.parametrize(("revision", "name"), [("", "main"), ("@main", "main"), ("@old", "old"), (f"@{OTHER}", "old")])
def test_a_repository_in_the_cache(cached, revision, name):
    translate = ugatit_tf.load_generator(f"hf://user/name{revision}", direction="A2B")
    pictures = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    expected = images.to_uint8(cached[name](images.to_float(pictures)).image.numpy())
    assert np.abs(translate(pictures).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("address", ["hf://user/other", "hf://user/name@new", "hf://user/name"])
def test_what_is_not_in_the_cache_cannot_be_had_offline(cached, address):
    message = (
        rf"^{address}: its B2A/generator\.keras is not in the cache, and the Hub cannot be reached: .*HF_HUB_OFFLINE"
    )
    with pytest.raises(RunError, match=message):
        ugatit_tf.load_generator(address, direction="B2A")


class Refuser(BaseHTTPRequestHandler):
    """Answers as the Hub does where a repository's name is a code of an error."""

    def do_HEAD(self):
        code = self.path.split("/")[2]
        self.send_response(403 if code == "GatedRepo" else 500 if code == "Down" else 404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *_):
        pass


@pytest.fixture
def server(constants, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refuser) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", url)
        template = url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield url
        server.shutdown()


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://user/RepoNotFound", "is no repository of the Hub, or a private one"),
        ("hf://user/GatedRepo", "gives access to those who ask for it alone"),
        ("hf://user/RevisionNotFound@v2", ": the repository has no revision v2"),
        ("hf://user/EntryNotFound", "has no A2B/generator.keras: --export_format huggingface has not made it"),
    ],
)
def test_what_the_hub_refuses_is_one_line(server, address, message):
    with pytest.raises(RunError) as caught:
        hub.fetch(address, "A2B")
    assert str(caught.value).startswith(f"{address}{'' if message[0] == ':' else ' '}{message}")


def test_any_other_failure_is_one_line(constants, monkeypatch):
    def fail(*_, **__):
        raise TimeoutError("read timed out")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fail)
    with pytest.raises(RunError, match=r"^hf://user/name cannot be fetched: read timed out$"):
        hub.fetch("hf://user/name", "A2B")


def test_a_machine_without_a_network(constants, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between the package's tries
    template = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    with pytest.raises(RunError, match=r"^hf://user/name: its A2B/generator\.keras is not in the cache, and the Hub "):
        hub.fetch("hf://user/name", "A2B")
