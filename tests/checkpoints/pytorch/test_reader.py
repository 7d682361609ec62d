import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ugatit_tf.checkpoints.bundle import DamagedError
from ugatit_tf.checkpoints.pytorch import reader
from ugatit_tf.errors import RunError

FILES = Path(__file__).parents[2] / "golden_pytorch" / "files"
FORMS = pytest.mark.parametrize("form", ["zip", "legacy"])


def refusal(path):
    with pytest.raises(RunError) as error, reader.opened(path) as content:
        reader.values(next(iter(content.values())), path)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    return error


@FORMS
def test_what_pytorch_wrote_is_read(form):
    path = FILES / f"{form}.pt"
    expected = dict(np.load(FILES / "values.npz"))
    with reader.opened(path) as content:
        assert content["list"] == [1, 2.5, "three", None, True, (4,), 2**40, -1]
        for name, value in expected.items():
            tensor = content
            for part in name.split("/"):
                tensor = tensor[part]
            assert (tensor.shape, tensor.dtype) == (value.shape, value.dtype), name
            read = reader.values(tensor, path)
            assert read.dtype == value.dtype
            np.testing.assert_array_equal(read, value, name)
    assert set(content) == {name.partition("/")[0] for name in expected} | {"list"}


def test_the_tests_write_as_pytorch_does(pytorch_port, tmp_path):
    arrays = {"a": np.arange(6, dtype="f4").reshape(2, 3), "b": {"c": np.array([1.5], "f8"), "d": np.array(3, "i8")}}
    path = pytorch_port.write(tmp_path / "x.pt", arrays)
    with reader.opened(path) as content:
        np.testing.assert_array_equal(content["a"].numpy(), arrays["a"])
        assert {name: tensor.numpy() for name, tensor in content["b"].items()} == arrays["b"]


@pytest.mark.parametrize("name", ["malicious.pt", "malicious_legacy.pt"])
def test_a_pickle_that_calls_something_is_refused_and_not_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "asks for posix.system. Nothing was loaded, and nothing was run." in str(refusal(FILES / name).value)
    assert not list(tmp_path.iterdir())


OS = b"cos\nsystem\nX\x0e\x00\x00\x00touch executed"
DICT = b"ccollections\nOrderedDict\n"


@pytest.mark.parametrize(
    ("pickled", "message"),
    [
        (b"\x80\x02" + OS + b"\x85R.", "asks for os.system"),
        (b"\x80\x02cbuiltins\neval\n.", "asks for builtins.eval"),
        (b"\x80\x02ctorch._utils\n_rebuild_wrapper_subclass\n.", "asks for torch._utils._rebuild_wrapper_subclass"),
        (b"\x80\x02(ios\nsystem\n.", "asks for os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "asks for os.system"),
        (b"\x80\x02\x82\x01.", "is damaged"),
        (b"\x80\x02(X\x01\x00\x00\x00ao.", "is damaged"),
        (b"\x80\x02)" + b")R.", "is damaged"),
        (b"\x80\x02" + DICT + b"X\x01\x00\x00\x00aK\x01s.", "is damaged"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "is damaged"),
        (b"\x80\x02)r\xff\xff\xff\x7f.", "its memo is longer than the pickle"),
        (b"\x80\x02)p2147483647\n.", "its memo is longer than the pickle"),
    ],
)
def test_nothing_but_dicts_and_tensors_can_be_made(tmp_path, monkeypatch, pickled, message):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", pickled)
    assert message in str(refusal(path).value)
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt"]


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"


@pytest.mark.parametrize(
    "target",
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\x00K\x02\x85K\x01\x85tR",
        b"ctorch\nFloatStorage\n",
        DICT,
    ],
    ids=["function", "tensor", "storage", "class"],
)
def test_no_attribute_of_a_known_object_can_be_set(tmp_path, target):
    """A pickle's BUILD sets attributes: a tensor with another shape would read memory that is not the file's."""
    state = b"N}X\x08\x00\x00\x00__name__X\x01\x00\x00\x00xs\x86"  # (None, {"__name__": "x"})
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + target + state + b"b.")
    assert "is damaged" in str(refusal(tmp_path / "x.pt").value)


@pytest.mark.parametrize("code", [b"K\x04", b"X\x01\x00\x00\x00O", b"X\x02\x00\x00\x00f4"])
def test_a_storage_of_an_unknown_type_is_refused(tmp_path, code):
    name = b"ctorch\nFloatStorage\n"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE.replace(name, code) + b"K\x00K\x02\x85K\x01\x85tR"
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}X\x01\x00\x00\x00a" + tensor + b"s.")
        archive.writestr("x/data/0", bytes(8))
    if code.endswith(b"f4"):
        with reader.opened(path) as content:
            np.testing.assert_array_equal(content["a"].numpy(), np.zeros(2, "f4"))
    else:
        assert "asks for a storage of another kind" in str(refusal(path).value)


def test_attributes_are_dropped(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\x02" + DICT + b")R}X\x05\x00\x00\x00itemsK\x01sb.")
    with reader.opened(tmp_path / "x.pt") as content:
        assert content == {}
        assert list(content.items()) == []


def swap(path, name, change):
    """A copy of a zip file with one member changed."""
    with zipfile.ZipFile(FILES / "zip.pt") as source, zipfile.ZipFile(path, "w") as target:
        for member in source.namelist():
            data = source.read(member)
            target.writestr(member, change(data) if member.endswith(name) else data)
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.write_bytes(b""), "its first bytes are unknown"),
        (lambda path: path.write_text("# a page"), "its first bytes are unknown"),
        (lambda path: path.write_bytes((FILES / "zip.pt").read_bytes()[:3000]), "File is not a zip file"),
        (lambda path: path.write_bytes((FILES / "legacy.pt").read_bytes()[:-100]), "it ends too soon"),
        (lambda path: path.write_bytes((FILES / "legacy.pt").read_bytes()[:700]), ""),
        (lambda path: swap(path, "/data.pkl", lambda data: data[:500]), ""),
        (lambda path: zipfile.ZipFile(path, "w").writestr("x/y", ""), ""),
    ],
)
def test_what_is_no_file_of_pytorchs_is_refused(tmp_path, make, why):
    make(tmp_path / "x.pt")
    error = refusal(tmp_path / "x.pt")
    assert "is damaged, or no file of PyTorch's: " + why in str(error.value)
    assert isinstance(error.value, DamagedError)


def test_a_missing_file_is_named(tmp_path):
    assert "cannot read" in str(refusal(tmp_path / "x.pt").value)


@pytest.mark.parametrize("change", [lambda data: data[:-4], lambda data: data + bytes(4)])
def test_a_storage_of_another_length_is_refused(tmp_path, pytorch_port, change):
    path = pytorch_port.write(tmp_path / "x.pt", {"a": np.zeros(3, "f4")})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, change(data) if name.endswith("data/0") else data)
    assert "a storage of 3 values has" in str(refusal(path).value)


def test_a_flipped_bit_in_a_tensor_is_noticed(tmp_path, pytorch_port):
    path = pytorch_port.write(tmp_path / "x.pt", {"a": np.full(64, 1.5, "f4")})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<f", 1.5), struct.pack("<f", 2.5), 1))
    assert "Bad CRC-32" in str(refusal(path).value)


def test_compressed_files_are_refused_as_they_may_be_of_any_size(tmp_path, pytorch_port):
    path = pytorch_port.write(tmp_path / "x.pt", {"a": np.zeros(1000, "f4")}, zipfile.ZIP_DEFLATED)
    assert "is compressed" in str(refusal(path).value)


PROGRAM = """
import sys
from pathlib import Path
from ugatit_tf.checkpoints.pytorch import reader
from ugatit_tf.errors import RunError

def leaves(content):
    for value in content.values() if isinstance(content, dict) else ():
        yield from leaves(value) if isinstance(value, dict) else [value]

def check(path):
    try:
        with reader.opened(path) as content:
            for tensor in leaves(content):
                if hasattr(tensor, "numpy"):
                    reader.values(tensor, path)
    except RunError as error:
        assert str(path) in str(error)
        return "refused"
    return "read"
"""


@FORMS
@pytest.mark.parametrize("count", [100, pytest.param(5000, marks=pytest.mark.slow)])
def test_damaged_files_are_refused_or_read_and_never_crash(form, count, mutated, run_over):
    data = (FILES / f"{form}.pt").read_bytes()
    outcomes = run_over([mutated(data, seed) for seed in range(count)], PROGRAM)
    assert outcomes["refused"] > count / 3
