"""Finds the files to translate, names their results, and skips results that an earlier command has made.

A hidden file in the output folder, the manifest, lists each result with its source file. So each result is made once,
and a file that is not a result of the same source is not replaced without `--overwrite`.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from ugatit_tf.data import images, videos
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, UsageError, reason, shown
from ugatit_tf.system.files import overlap, stamp, unique_names

_log = logging.getLogger(__name__)

MANIFEST = ".ugatit_translate.jsonl"  # one line per result; the last line about a result counts
_NAMED = 5  # at most this many files are named in a message


@dataclasses.dataclass(frozen=True)
class Output:
    """The place and the form of the results.

    Attributes:
        folder: the folder of the results, with the subfolders of the input.
        image_format: the format of pictures, "png" or "jpeg".
        original_size: whether results are scaled to the size that the translated square had in the picture.
        paste_back: whether results are pasted into their pictures.
        overwrite: whether results may replace files that are not results of the same source.
        all_faces: whether each face is translated, or the largest alone.
    """

    folder: Path
    image_format: str = "png"
    original_size: bool = False
    paste_back: bool = False
    overwrite: bool = False
    all_faces: bool = False

    @property
    def is_numbered(self) -> bool:
        """Whether a picture has a result for each of its faces: NAME-1.png, NAME-2.png."""
        return self.all_faces and not self.paste_back


@dataclasses.dataclass(frozen=True)
class Job:
    """One file to translate.

    Attributes:
        path: the path of the file.
        target: the path of the result.
        digest: a text that changes with the file's content, the network and the settings.
    """

    path: str
    target: Path
    digest: str


class Files:
    """The pictures or the videos to translate, and the state of their translation.

    Args:
        kind: "pictures" or "videos".
        root: the folder that holds the files.
        output: the place and the form of the results.

    Attributes:
        output: the argument.
        paths: the files, relative to `root`.
        problems: a line for each file that could not be translated.
        partly: a line for each file of which only a part could be translated.
        found: the number of results that an earlier command has made.
        written: the number of results that this command has made.
    """

    def __init__(self, kind: str, root: Path, output: Output) -> None:
        self.output = output
        self.paths: list[str] = []
        self._kind = kind
        self._root = root
        self._manifest = Manifest(output.folder)
        self.problems: list[str] = []
        self.partly: list[str] = []
        self.found = 0
        self.written = 0
        self._failed = 0

    def pending(self, made_by: str, ending: Callable[[str], str]) -> Iterator[Job]:
        """Yields a job for each file that is still to be translated, and whose result may be written.

        Args:
            made_by: a text that changes with the network and the settings.
            ending: a function that returns the ending of a file's result.
        """
        for path, name in _results(self.paths, lambda path: ending(f"{self._root}/{path}")).items():
            source = f"{self._root}/{path}"
            facts = f"{made_by} {self.output.original_size} {self.output.paste_back} {stamp(source)}"
            facts += f" {self.output.all_faces}"
            digest = hashlib.sha256(facts.encode(errors="surrogateescape")).hexdigest()[:16]
            target = self.output.folder / name
            if self.output.is_numbered and self._kind == "pictures":
                target = _with_number(target, 1)
            job = Job(source, target, digest)
            if self._manifest.entry(job.target) == (_place(source), digest):
                self.found += 1
            elif self._may_write(job):
                yield job

    def numbered(self, job: Job, number: int) -> Job | None:
        """Returns the job of another face of a job's picture; None, after adding a problem, if it may not be written.

        Args:
            job: the job of the first face.
            number: the number of the face; the first is 1.
        """
        first = job.target
        own = dataclasses.replace(job, target=_with_number(first.with_stem(first.stem.removesuffix("-1")), number))
        return own if number == 1 or self._may_write(own) else None

    def _may_write(self, job: Job) -> bool:
        """Returns whether a result may be written; if another file lies there, adds a problem and returns False."""
        made = self._manifest.entry(job.target)
        if self.output.overwrite or not job.target.exists() or (made and made[0] == _place(job.path)):
            return True
        whose = f"is the result of {shown(made[0])}" if made else "is no result of this command"
        self.problems.append(
            f"{shown(job.path)}: {shown(job.target)} {whose}: give another --output, or --overwrite to replace it"
        )
        return False

    def record(self, job: Job) -> None:
        """Records in the manifest that a job's result is written."""
        self._manifest.add(job)

    def fail_all(self, why: str) -> None:
        """Logs why none of the files can be translated, and counts all of them as failed."""
        _log.info("Not translated: %s %s: %s", len(self.paths), self._kind, why)
        self._failed = len(self.paths)

    def report(self) -> None:
        """Logs the problems, and the number of results."""
        for problem in sorted(self.problems):
            _log.info("Not translated: %s", problem)
        for problem in sorted(self.partly):
            _log.info("Translated in part: %s", problem)
        before = f", and {self.found} before" if self.found else ""
        _log.info("%s translated to %s: %s%s", self._kind.capitalize(), self.output.folder, self.written, before)

    @property
    def failures(self) -> str:
        """The number of files that could not be translated completely, as a text; "" if there are none."""
        count = self._failed + len(self.problems) + len(self.partly)
        return f"{count} of {len(self.paths)} {self._kind}" if count else ""


class Manifest:
    """The list of results in a folder.

    Args:
        folder: the folder of the results.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._entries: dict[str, list] = {}
        with contextlib.suppress(OSError):
            for line in (folder / MANIFEST).read_text(encoding="utf-8", errors="surrogateescape").splitlines():
                with contextlib.suppress(ValueError, TypeError):  # a line that a killed process left half-written
                    name, *entry = json.loads(line)
                    self._entries[name] = entry

    def entry(self, target: Path) -> tuple[str, str] | None:
        """Returns the full path of the file that a result was made of, and the digest of its job.

        It returns None if the target is missing, or was changed since it was written.
        """
        match self._entries.get(self._name(target)):
            case [str(source), str(digest), written] if written == stamp(target):
                return source, digest
        return None

    def add(self, job: Job) -> None:
        """Appends a result, which has just been written, to the list.

        Raises:
            RunError: The list cannot be written.
        """
        line = json.dumps([self._name(job.target), _place(job.path), job.digest, stamp(job.target)])
        try:
            with self._lock, (self._folder / MANIFEST).open("a", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"{line}\n")
        except OSError as error:
            raise RunError(f"cannot write {self._folder / MANIFEST}: {reason(error)}") from error

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()


def _with_number(target: Path, number: int) -> Path:
    return target.with_name(f"{target.stem}-{number}{target.suffix}")


def _place(path: str) -> str:
    """Returns the full path of a file, which tells it from files of that name in other folders."""
    return os.path.realpath(path)  # Path.resolve would raise an error at links in a circle


def find(path: Path, output: Output) -> tuple[Files, Files, list[str]]:
    """Finds the pictures and the videos to translate, by their content, or else by their endings.

    Args:
        path: a picture or video, or a folder of them, at any depth.
        output: the place and the form of the results.

    Returns:
        The pictures, the videos, and the other files in the folder.

    Raises:
        UsageError: The path does not exist, it overlaps with the output, or there are only videos and the package that
            reads them is missing.
        RunError: The folder has neither pictures nor videos.
    """
    if not path.exists():
        raise UsageError(f"--input {path}: no such file or folder.")
    if overlap(path, output.folder):
        raise UsageError(f"--input {path} and the output folder {output.folder} overlap: give another --output.")
    is_folder = path.is_dir()
    root = path if is_folder else path.parent
    paths = folder.list_files(path, lambda _: True)[0] if is_folder else [path.name]
    still, moving = Files("pictures", root, output), Files("videos", root, output)
    others: list[str] = []
    for each in paths:
        if videos.is_video(f"{root}/{each}"):
            moving.paths.append(each)
        elif not is_folder or folder.is_image(f"{root}/{each}"):  # a single file is read, whatever it is
            still.paths.append(each)
        else:
            others.append(each)
    if not (still.paths or moving.paths):
        raise RunError(f"--input {path} has no {images.KINDS} files, and no videos: {videos.KINDS}.")
    if not still.paths and not videos.is_installed():
        raise UsageError(f"--input {path}: videos take PyAV: {videos.INSTALL}")
    return still, moving, others


def passed_over(others: Sequence[str]) -> str:
    """Returns a line that counts and names the files that are neither pictures nor videos; "" if there are none."""
    if not others:
        return ""
    named = ", ".join(map(shown, others[:_NAMED])) + (", ..." if len(others) > _NAMED else "")
    is_heic = any(folder.suffix_of(path) in (".heic", ".heif") for path in others)
    advice = " Convert HEIC files to JPEG first." if is_heic else ""
    count = f"{len(others)} file{'s' if len(others) > 1 else ''}"
    return f"Passed over {count}, neither pictures nor videos: {named}.{advice}"


def check_all(*kinds: Files) -> None:
    """Raises a RunError if some files could not be translated, or only in part."""
    failures = " and ".join(filter(None, (files.failures for files in kinds)))
    in_part = ", or not all of them" if any(files.partly for files in kinds) else ""
    if failures:
        raise RunError(f"{failures} could not be translated{in_part}: see the list above.")


def _results(paths: Sequence[str], ending: Callable[[str], str]) -> dict[str, str]:
    """Returns each path's result. It keeps each name unless it collides in its folder, or is too long."""
    inside: dict[tuple[PurePosixPath, str], list[str]] = defaultdict(list)
    for path in map(PurePosixPath, paths):  # these paths have slashes on every system
        inside[path.parent, ending(str(path))].append(path.name)
    results = {}
    for (parent, own), files in inside.items():
        unique = unique_names(files) if len(files) > 1 else [PurePosixPath(file).stem for file in files]
        results |= {str(parent / file): f"{parent / name}{own}" for file, name in zip(files, unique, strict=True)}
    return {path: results[path] for path in paths}
