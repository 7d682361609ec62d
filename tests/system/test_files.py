import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.system import files
from ugatit_tf.system.files import replace_file, replace_folder, staged, stamp, write_atomically


def half(path, data):
    """Writes half the data to the path, as a disk does that is full then."""
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])


@pytest.mark.parametrize("kind", [str, Path])
def test_round_trip(tmp_path, kind):
    path = tmp_path / "x.bin"
    for data in b"\x00\r\n\xff" * 1000, b"shorter", b"":
        write_atomically(kind(path), data)
        assert path.read_bytes() == data
        assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_is_one_line_whatever_the_name(tmp_path):
    with pytest.raises(RunError) as caught:
        write_atomically(tmp_path / "no" / "a\nb", b"")
    assert str(caught.value) == f"cannot write {tmp_path}/no/a\\nb: No such file or directory"


def test_a_bare_name_is_written_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomically("x", b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"x": b"new"}


def test_the_longest_name_fits(tmp_path):
    path = tmp_path / ("x" * 255)
    write_atomically(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch, error):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def fail(file, data):
        half(file, data)
        raise error

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises((RunError, KeyboardInterrupt)) as caught:
        write_atomically(path, b"new data")
    if isinstance(error, OSError):
        assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_rename_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"old")

    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunError, match=r"x: Permission denied$"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("two\nlines"), OSError()])
def test_the_message_is_one_line_with_a_reason(tmp_path, monkeypatch, error):
    def refuse(*_arguments):
        raise error

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunError, match=r"^cannot write .*x: (two lines|OSError)$"):
        write_atomically(tmp_path / "x", b"new")


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in "none/x", "file/x", "folder":
        with pytest.raises(RunError, match=f"^cannot write .*{path}: "):
            write_atomically(tmp_path / path, b"new")
    assert {entry.name for entry in tmp_path.iterdir()} == {"file", "folder"}
    with pytest.raises(RunError, match="cannot write /: "):
        write_atomically("/", b"new")


def write_folder(path, text, overwrite=False):
    with replace_folder(path, overwrite=overwrite) as folder:
        (folder / "x").write_text(text)


def content(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_is_written_and_replaced(tmp_path):
    write_folder(tmp_path / "above" / "target", "first")
    assert content(tmp_path) == {"above/target/x": "first"}
    (tmp_path / "above" / "target" / "stale").write_text("")
    write_folder(tmp_path / "above" / "target", "second", overwrite=True)
    assert content(tmp_path) == {"above/target/x": "second"}
    assert [path.name for path in (tmp_path / "above").iterdir()] == ["target"]


def test_a_folder_that_is_there_is_refused_before_anything_is_written(tmp_path):
    write_folder(tmp_path / "target", "old")
    with pytest.raises(RunError, match="target exists already: give --overwrite"):
        write_folder(tmp_path / "target", "new")
    assert content(tmp_path) == {"target/x": "old"}


@pytest.mark.parametrize("error", [RunError("no"), OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_block_that_raises_keeps_the_old_folder_and_leaves_nothing(tmp_path, error):
    write_folder(tmp_path / "target", "old")
    with pytest.raises((RunError, KeyboardInterrupt)), replace_folder(tmp_path / "target", overwrite=True) as folder:
        (folder / "x").write_text("half")
        raise error
    assert content(tmp_path) == {"target/x": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_folder_that_cannot_be_renamed_keeps_the_old_one(tmp_path, monkeypatch):
    write_folder(tmp_path / "target", "old")
    replace = os.replace

    def refuse_the_new_one(path, target):
        if path.suffix == ".tmp":
            raise PermissionError(13, "Permission denied")
        return replace(path, target)

    monkeypatch.setattr(os, "replace", refuse_the_new_one)
    with pytest.raises(RunError, match=r"^cannot write .*target: Permission denied$"):
        write_folder(tmp_path / "target", "new", overwrite=True)
    assert content(tmp_path) == {"target/x": "old"}
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_file_in_the_place_of_a_folder_above_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"^cannot make the folder .*file"):
        write_folder(tmp_path / "file" / "target", "new")


def test_a_stamp_changes_with_the_file(tmp_path):
    path = tmp_path / "x"
    assert stamp(path) is None
    path.write_bytes(b"1")
    os.utime(path, ns=(5, 5))
    first = stamp(path)
    assert first == stamp(str(path)) == [1, 5]
    os.utime(path, ns=(5, 6))
    assert stamp(path) != first
    path.write_bytes(b"22")
    os.utime(path, ns=(5, 5))
    assert stamp(path) != first


@pytest.fixture
def events(monkeypatch):
    """The names of what is brought to the disk, and of what is renamed to, in order."""
    events = []
    sync, replace = os.fsync, os.replace

    def fsync(descriptor):
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        sync(descriptor)

    def rename(source, target):
        events.append(f"-> {target.name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    return events


def test_every_write_is_on_the_disk_before_it_appears_and_its_name_after(tmp_path, events):
    write_atomically(tmp_path / "x", b"new")
    (hidden,), events[:] = events[:1], events[1:]
    assert hidden.endswith(".tmp")
    assert events == ["-> x", tmp_path.name]
    events.clear()
    with replace_file(tmp_path / "y") as temporary:
        temporary.write_bytes(b"new")
    assert events == [temporary.name, "-> y", tmp_path.name]
    events.clear()
    write_folder(tmp_path / "target", "new")
    assert [events[0], *events[2:]] == ["x", "-> target", tmp_path.name]
    assert events[1].endswith(".tmp")


def test_staged_files_are_on_the_disk_before_they_appear_and_the_last_comes_last(tmp_path, events):
    with staged(tmp_path / "run", last="*.index") as folder:
        (folder / "a.index").write_text("a")
        (folder / "b.data").write_text("b")
    assert events == ["b.data", "a.index", "-> b.data", "-> a.index", "run"]


@pytest.mark.parametrize(("refusals", "is_written"), [(2, True), (3, False)])
def test_a_file_that_is_read_this_moment_is_replaced_a_moment_later(tmp_path, monkeypatch, refusals, is_written):
    # So it is on Windows, which refuses to rename over an open file, syncs only files that are open for writing, and
    # opens no folders.
    replace, tries = os.replace, []
    opened = os.open

    def refuse(source, target):
        tries.append(target)
        if len(tries) <= refusals:
            raise PermissionError(13, "Access is denied")
        replace(source, target)

    def no_folders(path, flags, *arguments, **keywords):
        if Path(path).is_dir() and "lock" not in str(path):
            raise PermissionError(13, "Permission denied")
        assert Path(path).suffix != ".tmp" or flags & os.O_RDWR
        return opened(path, flags, *arguments, **keywords)

    monkeypatch.setattr(files, "_WAITS", (0.0, 0.0))
    monkeypatch.setattr(files, "_WINDOWS", True)
    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "open", no_folders)
    (tmp_path / "x").write_bytes(b"old")
    with contextlib.nullcontext() if is_written else pytest.raises(RunError, match=r"x: Access is denied$"):
        write_atomically(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == (b"new" if is_written else b"old")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize(("number", "stays"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_cannot_sync_will_do_but_a_failing_disk_will_not(tmp_path, monkeypatch, number, stays):
    def fsync(_descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    outcome = contextlib.nullcontext() if stays else pytest.raises(RunError, match="Input/output error")
    with outcome, staged(tmp_path / "run", last="*.index") as folder:
        (folder / "x").write_text("x")
    assert (tmp_path / "run").exists() == stays


def test_a_file_that_grows_under_another_name(tmp_path):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with replace_file(path) as temporary:
        temporary.write_bytes(b"half")
        assert path.read_bytes() == b"old"
        temporary.write_bytes(b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"x.bin": b"new"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), RunError("why")])
def test_a_file_that_could_not_grow_is_gone(tmp_path, error):
    path = tmp_path / "x.bin"
    path.write_bytes(b"old")
    with pytest.raises((RunError, KeyboardInterrupt)) as caught, replace_file(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    if isinstance(error, OSError):
        assert str(caught.value) == f"cannot write {path}: No space left on device"
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"x.bin": b"old"}


def test_a_file_that_another_process_writes_is_left_to_it(tmp_path):
    path = tmp_path / "x.bin"
    program = (
        "import sys, time, pathlib; from ugatit_tf.system.files import replace_file\n"
        "with replace_file(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_bytes(b'half of it'); print(flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program, path]
    other = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
    other.stdout.read(1)
    with pytest.raises(RunError, match=r"x\.bin is being written by another process"), replace_file(path):
        pass
    assert [file.read_bytes() for file in tmp_path.glob(".*.tmp")] == [b"half of it"]
    assert not path.exists()
    other.kill()  # leaves its half, under the name that the next one takes
    other.communicate()
    with replace_file(path) as temporary:
        temporary.write_bytes(b"new")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {"x.bin": b"new"}
