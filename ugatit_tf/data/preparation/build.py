"""Preparation of a dataset from two folders of pictures: survey, selection, and moving the results into place."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from ugatit_tf.config import Config
from ugatit_tf.data import images, parallel
from ugatit_tf.data.preparation import selection
from ugatit_tf.data.preparation.outcome import Domain, Dropped, Kept
from ugatit_tf.data.preparation.prepared import SPLITS, PreparedFolder
from ugatit_tf.data.preparation.survey import UNREADABLE, Picture, Plan, Surveyor
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, UsageError, shown
from ugatit_tf.system.files import overlap

_LONGEST_STEM = 40  # characters, of up to four bytes each, in a name of up to 255


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was made.

    Attributes:
        domains: by name, what became of the pictures.
        crops: by domain, how they were made square.
        in_both: pictures that are the same in A and B.
    """

    domains: Mapping[str, Domain]
    crops: Mapping[str, str]
    in_both: Sequence[tuple[Picture, Picture]]


def check_places(inputs: Mapping[str, Path], root: Path, report: str) -> None:
    """Refuses folders in which the same picture would be met twice, or what is written would be read.

    Args:
        inputs: as of `Plan`.
        root: of the dataset.
        report: the name of the folder in it that shows what was done.

    Raises:
        UsageError: naming the folders.
    """
    for name, path in inputs.items():
        if not path.is_dir():
            raise UsageError(f"--input_{name} {path}: no such folder.")
        for made in (*SPLITS, report):
            if overlap(path, root / made):
                raise UsageError(f"--input_{name} {path} overlaps with {root / made}, which is written: take another.")
    if overlap(*inputs.values()):
        raise UsageError(f"--input_A {inputs['A']} and --input_B {inputs['B']} overlap: they must be apart.")


def build(config: Config, plan: Plan) -> Outcome:
    """Makes `<dataset_dir>/<dataset>/{trainA,trainB,testA,testB}/NAME-KEY.png`.

    Raises:
        UsageError: where a face detector is needed and none is installed.
        RunError: where files cannot be written, an input has no pictures, or the dataset holds others.
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
    domains = {}
    for name, (_, others) in found.items():
        kept, dropped = _decide(config.seed, plan, surveyors[name], pictures[name])
        domains[name] = Domain(str(plan.inputs[name]), len(others), tuple(kept), tuple(dropped))
        _make_missing(dataset, surveyors[name], domains[name])
    places = {kept.file: kept.picture.key for domain in domains.values() for kept in domain.kept}
    dataset.place(places, {picture.path for some in pictures.values() for picture in some})
    usable = [[kept.picture for kept in domain.kept] for domain in domains.values()]
    both = [(usable[0][a], usable[1][b]) for a, b in selection.in_both(*usable)]
    return Outcome(domains, {name: surveyor.recipe.crop for name, surveyor in surveyors.items()}, both)


def _survey(name: str, dataset: PreparedFolder, paths: Sequence[str], surveyor: Surveyor) -> list[Picture]:
    """What is to know about all files of a domain, in their order; what earlier runs found out is not done again."""
    pictures = {path: dataset.known(path, surveyor.recipe) for path in paths}
    todo = [path for path, picture in pictures.items() if picture is None]
    try:
        with tqdm(total=len(paths), initial=len(paths) - len(todo), desc=name, unit="image", disable=None) as bar:
            for picture in parallel.in_order(surveyor, todo):
                pictures[picture.path] = picture
                if picture.problem != UNREADABLE:  # which may pass
                    dataset.remember(picture, surveyor.recipe)
                bar.update()
    finally:
        dataset.save()
    return list(pictures.values())


def _decide(seed: int, plan: Plan, surveyor: Surveyor, pictures: Sequence[Picture]) -> tuple[list[Kept], list[Dropped]]:
    kept, dropped = [], [Dropped(picture, picture.problem, picture.detail) for picture in pictures if picture.problem]
    usable = [picture for picture in pictures if not picture.problem]
    name, ending = surveyor.recipe.domain, surveyor.recipe.ending
    for picture, choice in zip(usable, selection.choose(usable, seed, plan.test_share, plan.test_max), strict=True):
        if choice.copy_of is None:
            kept.append(Kept(picture, f"{choice.split}{name}/{_safe_stem(picture.path)}-{picture.key}{ending}"))
        else:
            original = usable[choice.copy_of]
            reason = "duplicate" if original.digest == picture.digest else "near duplicate"
            dropped.append(Dropped(picture, reason, f"of {shown(Path(original.path).name)}", original.path))
    return kept, dropped


def _safe_stem(path: str) -> str:
    """A file's name without ending, hidden or awkward characters."""
    return re.sub(r"[^\w.-]+", "_", Path(path).stem).lstrip(".-")[:_LONGEST_STEM] or "picture"


def _make_missing(dataset: PreparedFolder, surveyor: Surveyor, domain: Domain) -> None:
    """Makes squares again that somebody has taken away, or that were not needed when their pictures were looked at."""
    squares = dataset.squares()
    missing = [kept.picture.path for kept in domain.kept if kept.picture.key not in squares]
    for picture in parallel.in_order(surveyor, missing):
        if picture.problem:
            raise RunError(f"{picture.path} has changed meanwhile: run the command again.")
