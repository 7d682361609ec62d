"""The download, by a server of this machine or by none."""

import hashlib
import io
import runpy
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.evaluation import collection, inception

MAKER = runpy.run_path(str(Path(__file__).with_name("conftest.py")))


class Answer(io.BytesIO):
    def __init__(self, data, size=None):
        super().__init__(data)
        self.headers = {"Content-Length": str(len(data) if size is None else size)}


@pytest.fixture
def server(monkeypatch):
    """What the server answers, and how often it was asked."""

    class Server:
        answer, asked = b"archive", 0

    def answer(url, timeout):
        assert url == "https://download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz"
        assert timeout < 10
        Server.asked += 1
        if isinstance(Server.answer, Exception):
            raise Server.answer
        return Server.answer if isinstance(Server.answer, Answer) else Answer(Server.answer)

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return Server


def test_it_is_downloaded_once_and_its_checksum_noted(server, tmp_path):
    folder = tmp_path / "cache"
    for _ in range(2):
        path = inception.fetch(folder)
        assert path.read_bytes() == b"archive"
        inception.note(folder, hashlib.sha256(b"archive").hexdigest())
    assert server.asked == 1
    assert sorted(file.name for file in folder.iterdir()) == [inception.FILE, f"{inception.FILE}.sha256"]
    noted = (folder / f"{inception.FILE}.sha256").read_text()
    assert noted == f"{hashlib.sha256(b'archive').hexdigest()}  {inception.FILE}\n"


def test_a_file_that_changes_is_refused(server, tmp_path):
    path = inception.fetch(tmp_path)
    inception.note(tmp_path, hashlib.sha256(b"archive").hexdigest())
    path.write_bytes(b"damaged")
    with pytest.raises(RunError, match=f"sha256 says {hashlib.sha256(b'archive').hexdigest()}"):
        inception.fetch(tmp_path)


def test_a_download_with_another_checksum_than_is_noted_is_not_kept(server, tmp_path):
    note = tmp_path / f"{inception.FILE}.sha256"
    note.write_text(f"{'0' * 64}  {inception.FILE}\n")
    with pytest.raises(RunError, match=f"sha256 says {'0' * 64}"):
        inception.fetch(tmp_path)
    assert list(tmp_path.iterdir()) == [note]


@pytest.mark.parametrize("noted", [False, True])
def test_without_a_network_one_line_says_what_to_do(server, tmp_path, noted):
    server.answer = urllib.error.URLError(OSError(-3, "Temporary failure in name resolution"))
    if noted:
        (tmp_path / f"{inception.FILE}.sha256").write_text("abc  file\n")
    with pytest.raises(RunError) as error:
        inception.fetch(tmp_path)
    message = str(error.value)
    assert inception.URL in message
    assert "Temporary failure in name resolution" in message
    assert ("SHA-256 abc" if noted else "not known before the first download") in message
    assert f"into {tmp_path}" in message
    assert "--features" in message
    assert "\n" not in message
    assert not (tmp_path / inception.FILE).exists()


def test_a_name_server_that_never_answers_is_not_waited_for(monkeypatch, tmp_path):
    assert inception._TIMEOUT <= 5  # ten seconds are for all, and loading TensorFlow takes some
    monkeypatch.setattr(inception, "_TIMEOUT", 0.05)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: time.sleep(1))
    with pytest.raises(RunError, match=r"no answer within 0\.05 s"):
        inception.fetch(tmp_path)


def test_a_broken_download_leaves_nothing(server, tmp_path):
    server.answer = Answer(b"half", size=8)
    with pytest.raises(RunError, match="broke after 4 of 8 bytes"):
        inception.fetch(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def small_inception(tmp_path, monkeypatch):
    """A file in Inception's place whose `pool_3` gives 6 features, which are called right here; returns its path."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(collection, "INCEPTION_FEATURES", 6)
    path = tmp_path / "ugatit_tf" / inception.FILE
    path.parent.mkdir()
    path.write_bytes(MAKER["archive_of"](MAKER["inception_graph"]()))
    return path


def open_features(output="pool_3"):
    return collection.open_features("", output, "clean", Path("unused"))


def test_a_mistyped_output_is_not_blamed_on_the_file(small_inception):
    with pytest.raises(UsageError, match=r"^--features_output pool_4: .*pool_3") as error:
        open_features("pool_4")
    assert "delete" not in str(error.value)
    assert [path.name for path in small_inception.parent.iterdir()] == [small_inception.name]
    assert open_features().network.output == "pool_3"


def test_another_layer_of_inception_may_have_another_width(small_inception, monkeypatch):
    monkeypatch.setattr(collection, "INCEPTION_FEATURES", 2048)
    assert open_features("softmax").facts["output"] == "softmax"
    assert [path.name for path in small_inception.parent.iterdir()] == [small_inception.name]  # nothing is noted
    with pytest.raises(RunError, match="gives 6 features, where Inception gives 2048: it is another network") as error:
        open_features()
    assert "delete" not in str(error.value)


@pytest.mark.parametrize(("data", "advice"), [(b"<html>", True), (b"\x1f\x8b", True), (None, False)])
def test_only_a_damaged_file_is_to_be_deleted(small_inception, data, advice):
    if data is None:  # a good file that cannot be read now
        small_inception.unlink()
        small_inception.symlink_to(small_inception)
        with pytest.raises(RunError) as error:
            collection._load_inception(small_inception, "pool_3")
    else:
        small_inception.write_bytes(data)
        with pytest.raises(RunError) as error:
            open_features()
    assert ("delete it to download it again" in str(error.value)) == advice
