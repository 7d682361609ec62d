"""Prepares a dataset from two folders of pictures: surveys each picture, selects, and moves squares into the splits.

The survey makes the square of every usable picture in a hidden folder and remembers what it found, so an interrupted
preparation goes on, and a later one looks at new pictures only. The splits change at the end, once all is decided.
"""

import dataclasses
import functools
import logging
import re
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ugatit_tf.config import Config
from ugatit_tf.data import images, parallel
from ugatit_tf.data.preparation import copies, likeness, selection
from ugatit_tf.data.preparation.prepared import SPLITS, PreparedFolder
from ugatit_tf.data.preparation.survey import UNREADABLE, Picture, Plan, Surveyor
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, UsageError, shown
from ugatit_tf.system.files import overlap

_log = logging.getLogger(__name__)

_LONGEST_STEM = 40  # characters of up to four bytes each; a file's name may have 255 bytes
_SECONDS_BETWEEN_LINES = 5.0  # of progress, where the output is no terminal
_MOST_SECONDS_BETWEEN_LINES = 30.0
_VIEWS_IN_MEMORY = 4096  # of 12 kB each


@dataclasses.dataclass(frozen=True)
class Kept:
    """A picture that the dataset has.

    Attributes:
        picture: the surveyed picture.
        file: the path of its square in the dataset, such as "trainA/NAME-KEY.png".
    """

    picture: Picture
    file: str


@dataclasses.dataclass(frozen=True)
class Dropped:
    """A picture that the dataset does not have.

    Attributes:
        picture: the surveyed picture.
        reason: the kind of reason, such as "too small".
        detail: the details of the reason, or "".
        instead: the path of the picture that was kept in its place, or "".
    """

    picture: Picture
    reason: str
    detail: str = ""
    instead: str = ""


@dataclasses.dataclass(frozen=True)
class Domain:
    """One of the two domains.

    Attributes:
        folder: the folder of its pictures.
        other_files: the number of hidden files and of files that are no pictures.
        kept: the pictures that the dataset has, in order.
        dropped: the pictures that the dataset does not have, in order.
        alike: pairs of kept pictures that may be copies of each other.
    """

    folder: str
    other_files: int
    kept: tuple[Kept, ...]
    dropped: tuple[Dropped, ...]
    alike: tuple[tuple[Picture, Picture], ...] = ()

    @property
    def found(self) -> int:
        """The number of pictures in the folder."""
        return len(self.kept) + len(self.dropped)

    @property
    def reasons(self) -> dict[str, int]:
        """The number of dropped pictures by reason, the most frequent first."""
        return dict(Counter(dropped.reason for dropped in self.dropped).most_common())

    def split(self, name: str) -> list[Kept]:
        """Returns the pictures kept for a split, "train" or "test"."""
        return [kept for kept in self.kept if kept.file.startswith(name)]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of a preparation.

    Attributes:
        domains: the domains by their names, "A" and "B".
        crops: by domain, how its pictures were made square.
        in_both: pairs of a picture of A and the same picture in B.
    """

    domains: Mapping[str, Domain]
    crops: Mapping[str, str]
    in_both: Sequence[tuple[Picture, Picture]]


def check_places(inputs: Mapping[str, Path], root: Path, report: str) -> None:
    """Checks that no folder would be read twice, or both read and written.

    Args:
        inputs: the folders of pictures by domain.
        root: the folder of the dataset.
        report: the name of the folder of the report's pictures in the dataset.

    Raises:
        UsageError: Two folders overlap, or an input does not exist; the message names them.
    """
    for name, path in inputs.items():
        if not path.is_dir():
            raise UsageError(f"--input_{name} {path}: no such folder.")
        for made in (*SPLITS, report):
            if overlap(path, root / made):
                raise UsageError(
                    f"--input_{name} {path} overlaps with {root / made}, which is written. Give another folder."
                )
    if overlap(*inputs.values()):
        raise UsageError(f"--input_A {inputs['A']} and --input_B {inputs['B']} overlap. Give separate folders.")


def build(config: Config, plan: Plan) -> Outcome:
    """Writes the squares of a dataset, `<dataset_dir>/<dataset>/{trainA,trainB,testA,testB}/NAME-KEY.png`.

    Raises:
        RunError: Files cannot be written, an input has no pictures, the dataset holds pictures of another origin, or a
            network that finds faces or people cannot be fetched or read.
    """
    dataset = PreparedFolder(config.dataset_root)
    measure_faces = any(config.crop_of(name) == "face" for name in plan.inputs)
    surveyors = {
        name: Surveyor(config, plan, name, dataset.making, measure_faces=measure_faces) for name in plan.inputs
    }
    found = {name: folder.list_images(path) for name, path in plan.inputs.items()}
    for name, (paths, _) in found.items():
        if not paths:
            raise RunError(f"--input_{name} {plan.inputs[name]} has no {images.KINDS} files.")

    dataset.make_folders()
    pictures = {
        name: _survey(name, dataset, [f"{plan.inputs[name]}/{path}" for path in paths], surveyors[name])
        for name, (paths, _) in found.items()
    }
    looks = {name: _Looks(dataset, surveyor) for name, surveyor in surveyors.items()}
    domains = {
        name: Domain(
            str(plan.inputs[name]),
            len(others),
            *_decide(config.seed, plan, pictures[name], looks[name], dataset.trained(name)),
        )
        for name, (_, others) in found.items()
    }
    usable = [[kept.picture for kept in domain.kept] for domain in domains.values()]
    both = [(usable[0][a], usable[1][b]) for a, b in copies.in_both(*usable, *looks.values())]
    for name, domain in domains.items():
        _make_missing(dataset, surveyors[name], domain)
    places = {kept.file: kept.picture.key for domain in domains.values() for kept in domain.kept}
    dataset.place(places, {picture.path for some in pictures.values() for picture in some})
    return Outcome(domains, {name: surveyor.recipe.crop for name, surveyor in surveyors.items()}, both)


def _survey(name: str, dataset: PreparedFolder, paths: Sequence[str], surveyor: Surveyor) -> list[Picture]:
    """Returns the pictures of all files of a domain, in order; surveys those that no earlier run has surveyed."""
    pictures = {path: dataset.known(path, surveyor.recipe) for path in paths}
    todo = [path for path, picture in pictures.items() if picture is None]
    try:
        with tqdm(total=len(paths), initial=len(paths) - len(todo), desc=name, unit="image", disable=None) as bar:
            lines = _ProgressLines(name, len(paths), bar.n) if bar.disable else None
            for picture in parallel.in_order(surveyor, todo):
                pictures[picture.path] = picture
                if picture.problem != UNREADABLE:  # a failing disk may recover, so the next run tries again
                    dataset.remember(picture, surveyor.recipe)
                bar.update()
                if lines:
                    lines.update()
    finally:
        dataset.save()
    return list(pictures.values())


class _ProgressLines:
    """Logs the progress, where the output is no terminal and shows no bar: at most one line in five seconds."""

    def __init__(self, name: str, total: int, done: int) -> None:
        self._name, self._total, self._done = name, total, done
        self._logged, self._time = done, time.monotonic()

    def update(self) -> None:
        """Counts a picture; logs a line when a tenth more is done, or after 30 seconds."""
        self._done += 1
        seconds = time.monotonic() - self._time
        is_tenth = 10 * (self._done - self._logged) >= self._total
        if seconds >= (_SECONDS_BETWEEN_LINES if is_tenth else _MOST_SECONDS_BETWEEN_LINES):
            _log.info("%s: %s of %s pictures", self._name, f"{self._done:,}", f"{self._total:,}")
            self._logged, self._time = self._done, time.monotonic()


class _Looks:
    """Reads the views of a domain's pictures for `copies`; it keeps those read last.

    Args:
        dataset: the dataset's folder, which has the squares.
        surveyor: the domain's surveyor, which makes a square that is missing.
    """

    def __init__(self, dataset: PreparedFolder, surveyor: Surveyor) -> None:
        self._dataset, self.surveyor = dataset, surveyor
        self._squares = dataset.squares()
        self._read = functools.lru_cache(_VIEWS_IN_MEMORY)(self._view)

    def __call__(self, picture: Picture, view: int) -> np.ndarray:
        """Returns the picture (view 0) or its square (view 1) as uint8 `[64, 64, 3]`.

        Raises:
            RunError: The file has changed since the survey.
        """
        return self._read(picture.path, picture.key, view)

    def _view(self, path: str, key: str, view: int) -> np.ndarray:
        if view == 0:
            return images.load(path, likeness.SIDE)
        if key not in self._squares:  # an earlier run has dropped the picture, and deleted its square
            _check_unchanged(self.surveyor(path))
            self._squares = self._dataset.squares()
        return images.load(self._squares[key], likeness.SIDE)


def _decide(
    seed: int, plan: Plan, pictures: Sequence[Picture], looks: _Looks, trained: Collection[str]
) -> tuple[tuple[Kept, ...], tuple[Dropped, ...], tuple[tuple[Picture, Picture], ...]]:
    """Returns the pictures that the dataset gets, each with its file in a split; the others; pairs that are alike."""
    kept, dropped = [], [Dropped(picture, picture.problem, picture.detail) for picture in pictures if picture.problem]
    usable = [picture for picture in pictures if not picture.problem]
    recipe = looks.surveyor.recipe
    found = copies.find(usable, looks)
    if plan.near_duplicates == "keep":
        found = copies.without_near(usable, found)
    choices = selection.choose(usable, found, seed=seed, share=plan.test_share, most=plan.test_max, trained=trained)
    for picture, choice in zip(usable, choices, strict=True):
        if choice.copy_of is None:
            file = f"{choice.split}{recipe.domain}/{_safe_stem(picture.path)}-{picture.key}{recipe.ending}"
            kept.append(Kept(picture, file))
        else:
            original = usable[choice.copy_of]
            reason = "duplicate" if original.digest == picture.digest else "near duplicate"
            dropped.append(Dropped(picture, reason, f"of {shown(Path(original.path).name)}", original.path))
    alike = tuple((usable[a], usable[b]) for a, b in found.alike)
    return tuple(kept), tuple(dropped), alike


def _safe_stem(path: str) -> str:
    """Returns a file's name without its ending, and without characters that hide a file or need quotes."""
    return re.sub(r"[^\w.-]+", "_", Path(path).stem).lstrip(".-")[:_LONGEST_STEM] or "picture"


def _make_missing(dataset: PreparedFolder, surveyor: Surveyor, domain: Domain) -> None:
    """Makes the squares of kept pictures that are missing: deleted by a user, or not kept by an earlier selection."""
    squares = dataset.squares()
    missing = [kept.picture.path for kept in domain.kept if kept.picture.key not in squares]
    for picture in parallel.in_order(surveyor, missing):
        _check_unchanged(picture)


def _check_unchanged(picture: Picture) -> None:
    if picture.problem:
        raise RunError(f"{picture.path} has changed during this run. Run the command again.")
