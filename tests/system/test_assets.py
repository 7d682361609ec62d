import base64
import dataclasses
import hashlib
import io
import logging
import tarfile

import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.system import assets

NAME, CONTENT = assets.FACE_DETECTOR, b"a network"


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a small package that holds CONTENT as NAME; the table and the cache folder are the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "packages"
    folder.mkdir()
    published = assets.ASSETS[NAME]
    path = folder / published.package.file
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo(f"package/{NAME}")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
    integrity = base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()
    package = dataclasses.replace(published.package, integrity=integrity)
    asset = dataclasses.replace(published, package=package, sha256=hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setitem(assets.ASSETS, NAME, asset)
    return folder


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Puts a program called npm on the path."""

    def install(script):
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")

    return install


def problem(folder=""):
    with pytest.raises(RunError) as error:
        assets.read(NAME, str(folder))
    return str(error.value)


def test_the_table_names_files_that_npm_writes():
    assert assets.ASSETS[assets.FACE_DETECTOR].package.file == "mediapipe-face_detection-0.4.1657300184.tgz"
    for asset in assets.ASSETS.values():
        assert len(bytes.fromhex(asset.sha256)) == 32
        assert len(base64.b64decode(asset.package.integrity)) == 64


def test_an_asset_is_fetched_once(place, npm):
    npm(f'cp {place}/*.tgz "$3"; echo fetched >> {place}/log')
    assert not assets.is_cached(NAME)
    assert assets.read(NAME) == assets.read(NAME) == CONTENT
    assert (place / "log").read_text() == "fetched\n"
    assert assets.is_cached(NAME)
    assert (assets.cache_folder() / NAME).read_bytes() == CONTENT


def test_a_damaged_copy_is_fetched_again(place, npm):
    npm(f'cp {place}/*.tgz "$3"')
    assets.read(NAME)
    (assets.cache_folder() / NAME).write_bytes(b"damaged")
    assert assets.read(NAME) == CONTENT


@pytest.mark.parametrize("is_package", [True, False])
def test_a_folder_gives_the_package_or_the_file(place, is_package, monkeypatch):
    monkeypatch.setenv("PATH", "")
    if not is_package:
        next(place.glob("*.tgz")).unlink()
        (place / NAME).write_bytes(CONTENT)
    assert assets.read(NAME, str(place)) == CONTENT
    assert assets.read(NAME) == CONTENT  # from the cache folder


def test_a_cache_folder_that_cannot_be_written_is_no_obstacle(place, tmp_path, caplog):
    (tmp_path / "cache").write_text("a file")
    with caplog.at_level(logging.WARNING):
        assert assets.read(NAME, str(place)) == CONTENT
    assert "is not kept: cannot make the folder" in caplog.text


def test_problems_are_one_line_with_a_way_out(place, npm, monkeypatch, tmp_path):
    spec = assets.ASSETS[NAME].package.spec
    way_out = f"Elsewhere, run `npm pack {spec}`; give the folder that it writes to as --assets."
    missing = tmp_path / "nowhere"
    assert problem(missing).startswith(f"cannot read {missing}/mediapipe-face_detection")
    path = next(place.glob("*.tgz"))
    path.write_bytes(path.read_bytes() + b"x")
    assert problem(place) == f"{path} is not the published package: its checksum is another. {way_out}"
    (place / NAME).write_bytes(b"another")
    assert "is damaged or another file" in problem(place)
    npm("echo npm error code ENOTFOUND >&2; echo more >&2; exit 1")
    assert problem() == f"npm could not fetch {spec} (npm error code ENOTFOUND). {way_out}"
    monkeypatch.setenv("PATH", "")
    assert problem() == f"There is no npm here to fetch {spec}. {way_out}"


def test_the_cache_folder_is_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert assets.cache_folder() == tmp_path / "ugatit_tf"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert assets.cache_folder() == tmp_path / ".cache" / "ugatit_tf"
