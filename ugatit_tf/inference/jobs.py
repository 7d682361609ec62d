"""What is to be translated: files, the names of their results, and which of those an earlier run has left."""

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from ugatit_tf.data import images, videos
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, UsageError, shown
from ugatit_tf.system.files import overlap, stamp
from ugatit_tf.system.names import unique_names

_MARK = "ugatit_tf translate "  # begins the comment in every result


@dataclasses.dataclass(frozen=True)
class Output:
    """What becomes of the translations.

    Attributes:
        folder: gets them, in subfolders as those of the input.
        image_format: of pictures: "png" or "jpeg".
        original_size: whether they are scaled back to the size that they had in their pictures.
        paste_back: whether they are put back into their pictures.
        overwrite: whether they may take the place of files that no translation has made.
    """

    folder: Path
    image_format: str = "png"
    original_size: bool = False
    paste_back: bool = False
    overwrite: bool = False


@dataclasses.dataclass(frozen=True)
class Job:
    """One file to translate; `mark` is the comment of its result, which tells what that was made of and by."""

    path: str
    target: Path
    mark: str


class Files:
    """The files of a kind, and what becomes of them.

    Args:
        kind: "pictures" or "videos".
        root: the folder that they are in.
        output: what becomes of the translations.

    Attributes:
        output: as given.
        paths: theirs, relative to `root`.
        problems: what could not be translated, and why.
        partly: what could be translated in part, and why.
        found: how many results an earlier run has left.
        written: how many results this run has written.
    """

    def __init__(self, kind: str, root: Path, output: Output) -> None:
        self.output = output
        self.paths: list[str] = []
        self._kind = kind
        self._root = root
        self.problems: list[str] = []
        self.partly: list[str] = []
        self.found = 0
        self.written = 0
        self._failed = 0

    def left(self, made_by: str, comment_of: Callable[[Path], str], ending: str = "") -> Iterator[Job]:
        """A job for each file that is still to be translated, and whose result may be written.

        Args:
            made_by: a text that changes with what the results are made with.
            comment_of: reads a result's comment.
            ending: of the results' names; "": each file's own.
        """
        for path, name in _results(self.paths, ending).items():
            source = f"{self._root}/{path}"
            facts = f"{made_by} {self.output.original_size} {self.output.paste_back} {path} {stamp(source)}"
            digest = hashlib.sha256(facts.encode(errors="surrogateescape")).hexdigest()[:16]
            job = Job(source, self.output.folder / name, _MARK + digest)
            comment = comment_of(job.target) if job.target.exists() else _MARK
            if comment == job.mark:
                self.found += 1
            elif comment.startswith(_MARK) or self.output.overwrite:
                yield job
            else:
                self.problems.append(
                    f"{shown(source)}: {shown(job.target)} is no result of this command: give --overwrite"
                )

    def fail_all(self, why: str) -> None:
        """Notes, and prints, why none of them can be translated."""
        print(f"Not translated: {len(self.paths)} {self._kind}: {why}")
        self._failed = len(self.paths)

    def report(self) -> None:
        """Prints what has become of them."""
        for problem in sorted(self.problems):
            print(f"Not translated: {problem}")
        for problem in sorted(self.partly):
            print(f"Translated in part: {problem}")
        before = f", and {self.found} before" if self.found else ""
        print(f"{self._kind.capitalize()} translated to {self.output.folder}: {self.written}{before}")

    @property
    def failures(self) -> str:
        """How many could not be translated, or not all of them, in words; "" where none."""
        count = self._failed + len(self.problems) + len(self.partly)
        return f"{count} of {len(self.paths)} {self._kind}" if count else ""


def find(path: Path, output: Output) -> tuple[Files, Files]:
    """The pictures, and the videos, to translate.

    Args:
        path: a picture or video, or a folder of them, at any depth.
        output: what becomes of the translations.

    Raises:
        UsageError: where there is nothing at the path, it and the output overlap, or there are videos alone and
            nothing that reads them.
        RunError: where the folder has neither pictures nor videos.
    """
    if not path.exists():
        raise UsageError(f"--input {path}: no such file or folder.")
    if overlap(path, output.folder):
        raise UsageError(f"--input {path} and {output.folder}, which is written, overlap: give another --output.")
    is_folder = path.is_dir()
    root, paths = (path, []) if is_folder else (path.parent, [path.name])
    still, moving = Files("pictures", root, output), Files("videos", root, output)
    if is_folder:
        paths, _ = folder.list_files(path, images.EXTENSIONS | videos.CONTAINERS.keys())
        if not paths:
            raise RunError(f"--input {path} has no {images.KINDS} files, and no videos: {videos.KINDS}.")
    for each in paths:
        (moving if videos.is_video(f"{root}/{each}") else still).paths.append(each)
    if not still.paths and not videos.is_installed():
        raise UsageError(f"--input {path}: videos take PyAV: {videos.INSTALL}")
    return still, moving


def check_all(*kinds: Files) -> None:
    """Raises a RunError where some files could not be translated, or not all of them."""
    failures = " and ".join(filter(None, (files.failures for files in kinds)))
    in_part = ", or not all of them" if any(files.partly for files in kinds) else ""
    if failures:
        raise RunError(f"{failures} could not be translated{in_part}: see the list above.")


def _results(paths: Sequence[str], ending: str) -> dict[str, str]:
    """Each path's result: the path's own name, but for what would be the same, or too long, in its folder."""
    inside: dict[tuple[PurePath, str], list[str]] = defaultdict(list)
    for path in map(PurePath, paths):
        inside[path.parent, ending or path.suffix.lower()].append(path.name)
    results = {}
    for (parent, own), files in inside.items():
        unique = unique_names(files) if len(files) > 1 else [PurePath(file).stem for file in files]
        results |= {str(parent / file): f"{parent / name}{own}" for file, name in zip(files, unique, strict=True)}
    return {path: results[path] for path in paths}
