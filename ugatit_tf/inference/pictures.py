"""Translation of files: from pictures in folders of any depth to pictures of the same names."""

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

import numpy as np
from tqdm import tqdm

from ugatit_tf.data import crops, images, parallel
from ugatit_tf.data.crops import Cropper, NoFaceError, Region
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, UsageError, shown
from ugatit_tf.inference import Translator
from ugatit_tf.system.files import make_folder, overlap, stamp

_BATCH_SIZE = 8
_MARK = "ugatit_tf translate "  # begins the comment in every result


@dataclasses.dataclass(frozen=True)
class Output:
    """What becomes of the translations.

    Attributes:
        folder: gets them, in subfolders as those of the input.
        image_format: "png" or "jpeg".
        original_size: whether they are scaled back to the size that they had in their pictures.
        paste_back: whether they are put back into their pictures.
        overwrite: whether they may take the place of files that no translation has made.
    """

    folder: Path
    image_format: str = "png"
    original_size: bool = False
    paste_back: bool = False
    overwrite: bool = False


def find(path: Path, results: Path) -> tuple[Path, list[str]]:
    """The pictures to translate.

    Args:
        path: a picture, or a folder of them, at any depth.
        results: the folder that gets the results.

    Returns:
        A folder, and the pictures' paths relative to it.

    Raises:
        UsageError: where there is nothing at the path, or it and the results overlap.
        RunError: where the folder has no pictures.
    """
    if not path.exists():
        raise UsageError(f"--input {path}: no such file or folder.")
    if overlap(path, results):
        raise UsageError(f"--input {path} and {results}, which is written, overlap: give another --output.")
    if not path.is_dir():
        return path.parent, [path.name]
    paths, _ = folder.list_images(path)
    if not paths:
        raise RunError(f"--input {path} has no {images.KINDS} files.")
    return path, paths


def translate(root: Path, paths: Sequence[str], output: Output, translator: Translator, cropper: Cropper) -> None:
    """Translates pictures; what an earlier run made of the same file, in the same way, is left.

    Args:
        root: the folder that the pictures are in.
        paths: theirs, relative to it.
        output: what becomes of the translations.
        translator: makes them.
        cropper: makes the pictures square.

    Raises:
        RunError: where a result cannot be written; and, after all else is done, where some pictures could not be
            translated.
    """
    work = Work(output, translator, cropper)
    made_by = f"{translator.identity} {translator.size} {dataclasses.replace(cropper, detector=None)}"
    jobs = [job for job in _jobs(root, paths, output, made_by) if work.is_left(job)]
    name = output.folder.name
    with tqdm(total=len(paths), initial=len(paths) - len(jobs), desc=name, unit="image", disable=None) as bar:
        written = 0
        for is_written in parallel.in_order(work.write, work.translate(parallel.in_order(work.cut, jobs), bar)):
            written += is_written
            bar.update()
    for problem in sorted(work.problems):
        print(f"Not translated: {problem}")
    print(f"Pictures translated to {output.folder}: {written}" + (f", and {work.found} before" if work.found else ""))
    if work.problems:
        raise RunError(f"{len(work.problems)} of {len(paths)} pictures could not be translated: see the list above.")


@dataclasses.dataclass(frozen=True)
class Job:
    """One picture to translate; `mark` is the comment of its result, which tells what that was made of and by."""

    path: str
    target: Path
    mark: str


@dataclasses.dataclass(frozen=True)
class Cut:
    """The square cut from a picture, or its translation: uint8 `[S, S, C]`; and from where in which picture."""

    job: Job
    square: np.ndarray
    region: Region
    height: int
    width: int


class Work:
    """The steps from a picture's file to its translation's; `cut` and `write` may be called from several threads.

    Attributes:
        problems: what could not be translated, and why.
        found: how many results an earlier run has left.
    """

    def __init__(self, output: Output, translator: Translator, cropper: Cropper) -> None:
        self._output = output
        self._translator = translator
        self._cropper = cropper
        self.problems: list[str] = []
        self.found = 0

    def is_left(self, job: Job) -> bool:
        """Whether the picture is still to be translated, and its result may be written."""
        if not job.target.exists():
            return True
        comment = images.comment_of(job.target)
        if comment == job.mark:
            self.found += 1
            return False
        if comment.startswith(_MARK) or self._output.overwrite:
            return True
        self.problems.append(f"{shown(job.path)}: {shown(job.target)} is no result of this command: give --overwrite")
        return False

    def cut(self, job: Job) -> Cut | None:
        """The square of a picture; None, and a problem, where that cannot be had."""
        try:
            picture = images.decode(job.path, self._translator.channels)
            region, _ = self._cropper.find(picture)
        except NoFaceError as error:
            self.problems.append(f"{shown(job.path)}: {error}")
            return None
        except UnreadableImageError as error:
            self.problems.append(str(error))
            return None
        return Cut(job, crops.cut(picture, region, self._translator.size), region, *picture.shape[:2])

    def translate(self, cuts: Iterable[Cut | None], bar: tqdm) -> Iterator[Cut]:
        """The translations, made in batches; what is None only moves the bar."""
        batch: list[Cut] = []
        for cut in cuts:
            if cut is None:
                bar.update()
                continue
            batch.append(cut)
            if len(batch) == _BATCH_SIZE:
                yield from self._translate(batch)
                batch = []
        if batch:
            yield from self._translate(batch)

    def _translate(self, batch: Sequence[Cut]) -> Iterator[Cut]:
        outputs = self._translator(np.stack([cut.square for cut in batch]))
        for cut, output in zip(batch, outputs, strict=True):
            yield dataclasses.replace(cut, square=output)

    def write(self, cut: Cut) -> bool:
        """Writes a result; false, and a problem, where its picture does not allow it.

        Raises:
            RunError: where that fails.
        """
        output, job, result = self._output, cut.job, cut.square
        if output.paste_back:  # read again rather than kept: a batch of large pictures takes gigabytes
            try:
                picture = images.decode(job.path, self._translator.channels)
            except UnreadableImageError as error:  # it has gone meanwhile
                self.problems.append(str(error))
                return False
            result = crops.pasted(result, cut.region, picture)
        elif output.original_size:
            result = crops.enlarged(result, cut.region, cut.height, cut.width)
        make_folder(job.target.parent)
        try:
            images.save(job.target, result, kind=output.image_format.upper(), comment=job.mark)
        except ValueError as error:  # too large for JPEG
            self.problems.append(f"{shown(job.path)}: {error}")
            return False
        return True


def _jobs(root: Path, paths: Sequence[str], output: Output, made_by: str) -> Iterator[Job]:
    for path, name in _names(paths).items():
        source = f"{root}/{path}"
        facts = f"{made_by} {output.original_size} {output.paste_back} {path} {stamp(source)}"
        digest = hashlib.sha256(facts.encode(errors="surrogateescape")).hexdigest()[:16]
        yield Job(source, output.folder / f"{name}{images.ENDINGS[output.image_format]}", _MARK + digest)


def _names(paths: Sequence[str]) -> dict[str, str]:
    """Each path's result without ending: the path's own, but for what would be the same, or too long, in its folder."""
    inside: dict[PurePath, list[str]] = defaultdict(list)
    for path in paths:
        inside[PurePath(path).parent].append(PurePath(path).name)
    names = {}
    for parent, files in inside.items():
        unique = folder.unique_names(files) if len(files) > 1 else [PurePath(file).stem for file in files]
        names |= {str(parent / file): str(parent / name) for file, name in zip(files, unique, strict=True)}
    return {path: names[path] for path in paths}
