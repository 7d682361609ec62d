"""`--phase translate`: translates any pictures, with the run's newest checkpoint or another trained network."""

import dataclasses
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath

import numpy as np
from tqdm import tqdm

from ugatit_tf import inference
from ugatit_tf.config import Config
from ugatit_tf.data import crops, images, parallel
from ugatit_tf.data.crops import Cropper, NoFaceError, Region
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.data.preparation import prepared
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.inference import Translator
from ugatit_tf.system import allocator, device
from ugatit_tf.system.files import make_folder, overlap, shown, stamp

_BATCH_SIZE = 8
_MARK = "ugatit_tf translate "  # begins the comment in every result


def run(config: Config) -> None:
    """Writes `<output>/{A2B or B2A}/NAME.png`, in subfolders as those of the input.

    What an earlier run made of the same file, with the same network and flags, is left as it is.

    Raises:
        UsageError: where input and output overlap, or a face detector is needed and none is installed.
        RunError: where there are no pictures or no network, or a result cannot be written; and, after all else is done,
            where some pictures could not be translated.
    """
    direction = _direction(config)
    results = Path(config.output) / direction
    root, paths = _inputs(Path(config.input), results)
    config = _as_prepared(config, direction[0])
    print(f"Device: {device.prepare()}")  # before a face detector runs on it
    allocator.keep_freed()
    cropper = Cropper.of(config, direction[0], "center")
    translator, network = _translator(config, direction)
    if config.image_format == "jpeg" and translator.channels == 4:
        raise UsageError("--image_format jpeg: cannot hold the transparency of this network's images.")

    work = _Work(config, translator, cropper)
    made_by = f"{network} {translator.size} {dataclasses.replace(cropper, detector=None)}"
    jobs = [job for job in _jobs(config, root, paths, results, made_by) if work.is_left(job)]
    with tqdm(total=len(paths), initial=len(paths) - len(jobs), desc=direction, unit="image", disable=None) as bar:
        written = 0
        for is_written in parallel.in_order(work.write, work.translate(parallel.in_order(work.cut, jobs), bar)):
            written += is_written
            bar.update()
    for problem in sorted(work.problems):
        print(f"Not translated: {problem}")
    print(f"Pictures translated to {results}: {written}" + (f", and {work.found} before" if work.found else ""))
    if work.problems:
        raise RunError(f"{len(work.problems)} of {len(paths)} pictures could not be translated: see the list above.")


@dataclasses.dataclass(frozen=True)
class _Job:
    """One picture to translate; `mark` is the comment of its result, which tells what that was made of and by."""

    path: str
    target: Path
    mark: str


@dataclasses.dataclass(frozen=True)
class _Cut:
    """The square cut from a picture, or its translation: uint8 `[S, S, C]`; and from where in which picture."""

    job: _Job
    square: np.ndarray
    region: Region
    height: int
    width: int


class _Work:
    """The steps from a picture's file to its translation's; `cut` and `write` may be called from several threads.

    Attributes:
        problems: what could not be translated, and why.
        found: how many results an earlier run has left.
    """

    def __init__(self, config: Config, translator: Translator, cropper: Cropper) -> None:
        self._config = config
        self._translator = translator
        self._cropper = cropper
        self.problems: list[str] = []
        self.found = 0

    def is_left(self, job: _Job) -> bool:
        """Whether the picture is still to be translated, and its result may be written."""
        if not job.target.exists():
            return True
        comment = images.comment_of(job.target)
        if comment == job.mark:
            self.found += 1
            return False
        if comment.startswith(_MARK) or self._config.overwrite:
            return True
        self.problems.append(f"{shown(job.path)}: {shown(job.target)} is no result of this command: give --overwrite")
        return False

    def cut(self, job: _Job) -> _Cut | None:
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
        return _Cut(job, crops.cut(picture, region, self._translator.size), region, *picture.shape[:2])

    def translate(self, cuts: Iterable[_Cut | None], bar: tqdm) -> Iterator[_Cut]:
        """The translations, made in batches; what is None only moves the bar."""
        batch: list[_Cut] = []
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

    def _translate(self, batch: Sequence[_Cut]) -> Iterator[_Cut]:
        outputs = self._translator(np.stack([cut.square for cut in batch]))
        for cut, output in zip(batch, outputs, strict=True):
            yield dataclasses.replace(cut, square=output)

    def write(self, cut: _Cut) -> bool:
        """Writes a result; false, and a problem, where its picture does not allow it.

        Raises:
            RunError: where that fails.
        """
        config, job, result = self._config, cut.job, cut.square
        if config.paste_back:  # read again rather than kept: a batch of large pictures takes gigabytes
            try:
                picture = images.decode(job.path, self._translator.channels)
            except UnreadableImageError as error:  # it has gone meanwhile
                self.problems.append(str(error))
                return False
            result = crops.pasted(result, cut.region, picture)
        elif config.original_size:
            result = crops.enlarged(result, cut.region, cut.height, cut.width)
        make_folder(job.target.parent)
        try:
            images.save(job.target, result, kind=config.image_format.upper(), comment=job.mark)
        except ValueError as error:  # too large for JPEG
            self.problems.append(f"{shown(job.path)}: {error}")
            return False
        return True


def _direction(config: Config) -> str:
    """What is asked for, or else what an exported network says that it is for, or else A2B."""
    try:
        own = (
            json.loads((Path(config.model).parent / "signature.json").read_bytes())["direction"] if config.model else ""
        )
    except (OSError, ValueError, KeyError, TypeError):
        own = ""
    if own and config.direction and own != config.direction:
        raise UsageError(f"--direction {config.direction}: --model {config.model} is for {own}.")
    return config.direction or own or "A2B"


def _inputs(path: Path, results: Path) -> tuple[Path, list[str]]:
    """A folder and the pictures to translate, relative to it."""
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


def _as_prepared(config: Config, domain: str) -> Config:
    """The flags; where they name no crop, with the one that the run's dataset was prepared with."""
    if crops.chosen(config, domain):
        return config
    settings = None if config.model else prepared.settings(config)
    if settings is None:
        print("Crop: center, as neither --crop nor a dataset made by --phase prepare says otherwise.")
        return config
    crop, margin = settings[f"crop_{domain}"], config.face_margin
    if margin == Config.face_margin:
        margin = settings["face_margin"]
    print(f"Crop: {crop}, as {config.dataset_root} was prepared.")
    return dataclasses.replace(config, crop=crop, face_margin=margin)


def _translator(config: Config, direction: str) -> tuple[Translator, str]:
    """The network, and a text that changes with it."""
    if config.model:
        path = Path(config.model)
        print(f"Translating with {path}")
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        return inference.load_generator(path, direction), f"{[(file.name, stamp(file)) for file in files]}"
    prefix, _ = inference.find_checkpoint(config)
    note = inference.note(config, prefix)
    print(f"Translating with {prefix}{note}")
    generator = inference.restored_generator(config, prefix, direction)
    return Translator(generator, config.img_size, config.img_ch), f"{prefix.name}{note} {stamp(f'{prefix}.index')}"


def _jobs(config: Config, root: Path, paths: Sequence[str], results: Path, made_by: str) -> Iterator[_Job]:
    for path, name in _names(paths).items():
        source = f"{root}/{path}"
        facts = f"{made_by} {config.original_size} {config.paste_back} {path} {stamp(source)}"
        digest = hashlib.sha256(facts.encode(errors="surrogateescape")).hexdigest()[:16]
        yield _Job(source, results / f"{name}{images.ENDINGS[config.image_format]}", _MARK + digest)


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
