"""`--phase prepare`: makes a dataset of two piles of pictures."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from ugatit_tf.config import Config
from ugatit_tf.data import crops, images, parallel
from ugatit_tf.data.preparation import selection
from ugatit_tf.data.preparation.outcome import Domain, Dropped, Kept
from ugatit_tf.data.preparation.prepared import SPLITS, PreparedFolder
from ugatit_tf.data.preparation.survey import UNREADABLE, Picture, Surveyor
from ugatit_tf.data.sources import folder
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.reports import preparation
from ugatit_tf.system.files import overlap, shown

_SETTINGS = ("input_A", "input_B", "size", "min_size", "face_margin", "no_face", "test_share", "test_max", "seed")
_SETTINGS += ("img_ch", "image_format")
_LONGEST_STEM = 40  # characters, of up to four bytes each, in a name of up to 255


def run(config: Config) -> None:
    """Writes `<dataset_dir>/<dataset>/{trainA,trainB,testA,testB}/NAME-KEY.png`, `report.json` and `report.html`.

    Raises:
        UsageError: where the folders overlap, or a face detector is needed and none is installed.
        RunError: where files cannot be written, the dataset holds other pictures, or, after the report is written, a
            domain has no picture that can be used.
    """
    inputs = {"A": Path(config.input_A), "B": Path(config.input_B)}
    root = config.dataset_root
    _check_places(inputs, root)
    dataset = PreparedFolder(root)
    measure_faces = any(crops.chosen(config, name) == "face" for name in inputs)
    surveyors = {name: Surveyor(config, name, dataset.making, measure_faces=measure_faces) for name in inputs}
    found = {name: folder.list_images(path) for name, path in inputs.items()}
    for name, (paths, _) in found.items():
        if not paths:
            raise RunError(f"--input_{name} {inputs[name]} has no {images.KINDS} files.")

    dataset.make_folders()
    pictures = {
        name: _survey(name, dataset, [f"{inputs[name]}/{path}" for path in paths], surveyors[name])
        for name, (paths, _) in found.items()
    }
    domains = {
        name: _decide(config, name, pictures[name], others, surveyors[name].recipe.ending)
        for name, (_, others) in found.items()
    }
    for name, domain in domains.items():
        _make_missing(dataset, surveyors[name], domain)
    plan = {kept.file: kept.picture.key for domain in domains.values() for kept in domain.kept}
    dataset.place(plan, {picture.path for some in pictures.values() for picture in some})

    settings = {name: getattr(config, name) for name in _SETTINGS}
    settings |= {f"crop_{name}": surveyor.recipe.crop for name, surveyor in surveyors.items()}
    usable = [[kept.picture for kept in domain.kept] for domain in domains.values()]
    both = [(usable[0][a], usable[1][b]) for a, b in selection.in_both(*usable)]
    warnings = preparation.write(root, settings, domains, both)
    _tell(root, domains, warnings)


def _check_places(inputs: Mapping[str, Path], root: Path) -> None:
    """Refuses folders in which the same picture would be met twice, or what is written here would be read."""
    for name, path in inputs.items():
        if not path.is_dir():
            raise UsageError(f"--input_{name} {path}: no such folder.")
        for made in (*SPLITS, preparation.PICTURES):
            if overlap(path, root / made):
                raise UsageError(f"--input_{name} {path} overlaps with {root / made}, which is written: take another.")
    if overlap(*inputs.values()):
        raise UsageError(f"--input_A {inputs['A']} and --input_B {inputs['B']} overlap: they must be apart.")


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


def _decide(config: Config, name: str, pictures: Sequence[Picture], others: int, ending: str) -> Domain:
    kept, dropped = [], [Dropped(picture, picture.problem, picture.detail) for picture in pictures if picture.problem]
    usable = [picture for picture in pictures if not picture.problem]
    for picture, choice in zip(
        usable, selection.choose(usable, config.seed, config.test_share, config.test_max), strict=True
    ):
        if choice.copy_of is None:
            kept.append(Kept(picture, f"{choice.split}{name}/{_safe_stem(picture.path)}-{picture.key}{ending}"))
        else:
            original = usable[choice.copy_of]
            reason = "duplicate" if original.digest == picture.digest else "near duplicate"
            dropped.append(Dropped(picture, reason, f"of {shown(Path(original.path).name)}", original.path))
    return Domain(getattr(config, f"input_{name}"), others, tuple(kept), tuple(dropped))


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


def _tell(root: Path, domains: Mapping[str, Domain], warnings: Sequence[str]) -> None:
    for name, domain in domains.items():
        reasons = ", ".join(f"{count} {reason}" for reason, count in domain.reasons.items())
        print(
            f"{name}: {domain.found} pictures found, {len(domain.split('train'))} to train on, "
            f"{len(domain.split('test'))} to test on, {len(domain.dropped)} dropped"
            + (f" ({reasons})" if reasons else "")
        )
        if domain.other_files:
            print(f"{name}: {domain.other_files} hidden or other files skipped")
    for warning in warnings:
        print(f"Note: {warning}")
    print(f"Report: {root / preparation.PAGE}")
    for name, domain in domains.items():
        if not domain.kept:
            raise RunError(f"None of the {domain.found} pictures of {name} can be used: see the report.")
    print(f"Train on it with --dataset {root.name}")
