import base64
import dataclasses
import hashlib
import io
import tarfile

import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.export.web import litert


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder of two small packages, built like the published ones, with their checksums."""
    folder = tmp_path / "packages"
    folder.mkdir()
    table = {}
    for package, members in litert._PACKAGES.items():
        with tarfile.open(folder / package.file, "w:gz") as archive:
            for member in members:
                data = (
                    b'import { a } from "@litertjs/wasm-utils";' if "core" in package.spec else b"export const a = 1;"
                )
                entry = tarfile.TarInfo(f"package/{member}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        digest = base64.b64encode(hashlib.sha512((folder / package.file).read_bytes()).digest()).decode()
        table[dataclasses.replace(package, integrity=digest)] = members
    monkeypatch.setattr(litert, "_PACKAGES", table)
    return folder


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Puts a program called npm, and no other, on the path."""

    def install(script):
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")

    return install


def test_files_and_notice_of_a_folder_of_packages(packages):
    files = litert.read(str(packages))
    assert files["index.js"] == b'import { a } from "./wasm-utils.js";'
    assert files["wasm-utils.js"] == b"export const a = 1;"
    assert sum(name.endswith(".wasm") for name in files) == 4
    assert b"Apache License" in files["NOTICE.txt"]


def test_npm_fetches_where_there_is_no_folder(packages, npm):
    npm(f'cp {packages}/*.tgz "$3"')
    assert "index.js" in litert.read("")


def problem(folder):
    with pytest.raises(RunError) as error:
        litert.read(str(folder))
    assert str(error.value).endswith("give the folder that it writes to as --web_runtime.")
    return str(error.value)


def test_what_cannot_be_had_is_told_with_a_way_out(packages, npm, tmp_path, monkeypatch):
    path = next(packages.glob("*core*"))
    path.write_bytes(path.read_bytes() + b"x")
    assert "is not the published package" in problem(packages)
    assert "No such file" in problem(tmp_path / "nowhere")
    npm("echo npm error code ENOTFOUND >&2; echo more >&2; exit 1")
    assert problem("").startswith(
        "npm could not fetch @litertjs/core@2.5.3 and @litertjs/wasm-utils@2.5.3 (npm error code ENOTFOUND)."
    )
    monkeypatch.setenv("PATH", "")
    assert problem("").startswith("There is no npm here to fetch @litertjs/core@2.5.3 and")
