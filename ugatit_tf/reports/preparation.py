"""Report of `--phase prepare`: `report.json` for programs, `report.html` to look at."""

import statistics
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ugatit_tf import json_files
from ugatit_tf.data import crops, images, parallel
from ugatit_tf.data.preparation.build import Domain, Dropped, Kept
from ugatit_tf.data.preparation.prepared import REPORT
from ugatit_tf.data.preparation.survey import NO_FACE, Picture
from ugatit_tf.data.regions import Region
from ugatit_tf.errors import shown
from ugatit_tf.reports import consistency, gallery, plots
from ugatit_tf.reports.gallery import Item, Section
from ugatit_tf.system.files import replace_folder, write_atomically

PAGE = "report.html"
PICTURES = "report"  # the folder of the pictures that the page has beside the dataset's own
_SHOWN = 60  # pictures of a split
_SHOWN_DROPPED = 24  # of the pictures dropped for one reason
_THUMBNAIL = 180  # pixels
_MEAN_OF = 200  # pictures
_MEAN_BEFORE_OF = 60  # the originals, which take longer to read
_DOTS = 200  # of a domain in the plot of faces
_SHOWN_ALIKE = 24  # pairs
_FEW = 500
_MANY = 0.2  # of a domain's pictures
_LUMA = (0.299, 0.587, 0.114)


def write(
    root: Path, settings: Mapping[str, Any], domains: Mapping[str, Domain], both: Sequence[tuple[Picture, Picture]]
) -> list[str]:
    """Writes the report into a dataset's folder.

    Args:
        root: the folder; it contains the pictures already.
        settings: of the run, by flag.
        domains: A and B.
        both: pictures of A and of B that are the same.

    Returns:
        The warnings, a sentence or two each.

    Raises:
        RunError: the report cannot be written.
    """
    measured = {name: measure(domain, settings["size"]) for name, domain in domains.items()}
    warnings = find_warnings(domains, measured)
    warnings += [
        f"No picture of {name} was chosen for testing. Try a larger --test_share, or another --seed."
        for name, domain in domains.items()
        if settings["test_share"] and domain.kept and not domain.split("test")
    ]
    if both:
        example = " and ".join(shown(picture.path) for picture in both[0])
        warnings.append(f"A and B share {len(both)} of the pictures, such as {example}.")
    report = {
        "settings": dict(settings),
        "warnings": warnings,
        "consistent": consistency.describe(measured, _counts(domains))[0],
        "domains": {name: _summary(domain) | measured[name] for name, domain in domains.items()},
        "in_both": [[picture.path for picture in pair] for pair in both],
        "pictures": {
            name: [_facts(entry) for entry in (*domain.kept, *domain.dropped)] for name, domain in domains.items()
        },
    }
    write_atomically(root / REPORT, json_files.dumps(report, indent=1))
    with replace_folder(root / PICTURES, overwrite=True) as folder:
        sections = _sections(root, folder, domains, measured)
    facts = [(f"--{name}", str(value)) for name, value in settings.items()]
    gallery.write(root / PAGE, f"Dataset {root.name}", facts, sections, warnings)
    return warnings


def _summary(domain: Domain) -> dict[str, Any]:
    return {
        "found": domain.found,
        "other_files": domain.other_files,
        "train": len(domain.split("train")),
        "test": len(domain.split("test")),
        "dropped": domain.reasons,
        "alike": [[picture.path for picture in pair] for pair in domain.alike],
    }


def _counts(domains: Mapping[str, Domain]) -> dict[str, int]:
    return {name: len(domain.kept) for name, domain in domains.items()}


def _facts(entry: Kept | Dropped) -> dict[str, Any]:
    """Returns all that is known about a picture."""
    picture = entry.picture
    if isinstance(entry, Kept):
        facts = {"path": picture.path, "file": entry.file, "colour": picture.colour}
    else:
        facts = {"path": picture.path, "dropped": entry.reason, "detail": entry.detail, "instead": entry.instead}
    facts |= {"width": picture.width, "height": picture.height}
    if picture.face:
        facts["face"] = dict(zip(("x", "y", "size"), picture.face, strict=True))
    if picture.ground is not None:
        facts["ground"] = picture.ground
    return {name: value for name, value in facts.items() if value or name == "ground"}


def _sections(
    root: Path, folder: Path, domains: Mapping[str, Domain], measured: Mapping[str, Mapping[str, Any]]
) -> list[Section]:
    means = (_mean_pictures(root, folder, name, domain) for name, domain in domains.items())
    table = tuple(rows(domains, measured))
    _, text = consistency.describe(measured, _counts(domains))
    markup = gallery.render("beside.html", text=text, plot=_faces_plot(domains))
    items = tuple(item for item in means if item)
    sections = [Section("A beside B", table, items, tuple(domains), total=0, markup=markup)]
    for split in ("train", "test"):
        for name, domain in domains.items():
            kept = domain.split(split)
            sections.append(Section(f"{split}{name}", (), tuple(map(_kept_item, _some(kept, _SHOWN))), total=len(kept)))
    for name, domain in domains.items():
        if domain.alike:
            files = {kept.picture.path: kept.file for kept in domain.kept}
            pairs = tuple(_pair_item(pair, files) for pair in _some(domain.alike, _SHOWN_ALIKE))
            sections.append(Section(f"Alike in {name}", (), pairs, total=len(domain.alike)))
        if domain.dropped:
            some = chain.from_iterable(
                _some([dropped for dropped in domain.dropped if dropped.reason == reason], _SHOWN_DROPPED)
                for reason in domain.reasons
            )
            items = tuple(_dropped_item(folder, f"{name}{number}", each) for number, each in enumerate(some))
            reasons = tuple((reason, f"{count:,}") for reason, count in domain.reasons.items())
            sections.append(Section(f"Dropped from {name}", reasons, items, total=len(domain.dropped)))
    return sections


def _some(entries: Sequence[Any], count: int) -> list[Any]:
    """Returns up to `count` entries, spread evenly."""
    return [entries[index] for index in np.unique(np.linspace(0, len(entries) - 1, count).astype(int)) if entries]


def _kept_item(kept: Kept) -> Item:
    picture = kept.picture
    return Item(Path(picture.path).name, ((f"{picture.width} x {picture.height}", kept.file),))


def _pair_item(pair: tuple[Picture, Picture], files: Mapping[str, str]) -> Item:
    pictures = tuple((shown(Path(picture.path).name), files[picture.path]) for picture in pair)
    return Item(Path(pair[1].path).name, pictures, "may be copies; both are kept")


def _faces_plot(domains: Mapping[str, Domain]) -> str:
    """Returns a plot of where the faces are in the squares, or "" if no faces are known."""
    points = {
        name: [
            (*kept.picture.face[:2], Path(kept.picture.path).name)
            for kept in _some([kept for kept in domain.kept if kept.picture.face], _DOTS)
        ]
        for name, domain in domains.items()
    }
    if not any(points.values()):
        return ""
    return plots.draw([plots.scatter("Middles of the faces in the squares", points)], "")


def _dropped_item(folder: Path, name: str, dropped: Dropped) -> Item:
    picture = dropped.picture
    shown = [(f"{picture.width} x {picture.height}", picture.path, f"{name}.jpg")] if picture.width else []
    if dropped.instead:
        shown.append(("kept instead", dropped.instead, f"{name}_instead.jpg"))
    pictures = tuple(
        (caption, f"{PICTURES}/{file}") for caption, path, file in shown if _thumbnail(path, folder / file)
    )
    note = ": ".join(filter(None, (dropped.reason, dropped.detail)))
    return Item(Path(picture.path).name, pictures, note)


def _thumbnail(path: str, target: Path) -> bool:
    """Writes a small copy of a picture; returns False if the picture cannot be read any more."""
    try:
        image = images.to_picture(images.decode(path))
    except images.UnreadableImageError:
        return False
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    images.save(target, images.to_pixels(image), kind="JPEG")
    return True


def _mean_pictures(root: Path, folder: Path, name: str, domain: Domain) -> Item | None:
    """Returns the means of a domain, sharp where pictures are similar: the originals' middles, and the squares."""
    some = _some(domain.kept, _MEAN_OF)
    if not some:
        return None
    before = parallel.in_order(_middle, [kept.picture.path for kept in _some(domain.kept, _MEAN_BEFORE_OF)])
    after = (images.decode(root / kept.file) for kept in some)
    pictures = []
    for file, caption, squares in ((f"before_{name}.jpg", "before", before), (f"mean_{name}.jpg", "after", after)):
        total, count = 0.0, 0
        for square in squares:
            if square is not None:
                total, count = total + square.astype(np.float64), count + 1
        if count:
            images.save(folder / file, np.rint(total / count).astype(np.uint8), kind="JPEG")
            pictures.append((f"{caption}, {count} pictures", f"{PICTURES}/{file}"))
    return Item(f"Mean of {name}", tuple(pictures))


def _middle(path: str) -> np.ndarray | None:
    """Returns the middle of an original, uint8 `[180, 180, 3]`; None if the picture cannot be read any more."""
    try:
        picture = images.decode(path)
    except images.UnreadableImageError:
        return None
    height, width = picture.shape[:2]
    side = min(height, width)
    return crops.cut(picture, Region(width / 2, height / 2, side, side), _THUMBNAIL)


def measure(domain: Domain, size: int) -> dict[str, Any]:
    """Measures the kept pictures; a mean comes with its standard deviation.

    Args:
        domain: the pictures' domain.
        size: side of the squares, in pixels.

    Returns:
        `width`, `height`: medians, in pixels. `enlarged`: the number of pictures smaller than `size`. `colour`: mean
        red, green and blue, 0 to 255. `brightness`: mean and deviation. With faces, `faces`: their number; `face_x`,
        `face_y`, `face_size`: means and deviations, as fractions of the square. `ground`: mean share and deviation.
        `plain`: the number of pictures on an even ground; with such, `content`: the size of what is on it, mean and
        deviation. An empty dict without kept pictures.
    """
    pictures = [kept.picture for kept in domain.kept]
    if not pictures:
        return {}
    brightness = [
        sum(weight * value for weight, value in zip(_LUMA, picture.colour, strict=True)) for picture in pictures
    ]
    colours = zip(*(picture.colour for picture in pictures), strict=True)
    result: dict[str, Any] = {
        "width": statistics.median_low(picture.width for picture in pictures),
        "height": statistics.median_low(picture.height for picture in pictures),
        "enlarged": sum(picture.side < size for picture in pictures),
        "colour": [round(statistics.fmean(values), 1) for values in colours],
        "brightness": _mean_and_deviation(brightness, 1),
    }
    faces = [picture.face for picture in pictures if picture.face]
    if faces:
        result["faces"] = len(faces)
        for name, values in zip(("face_x", "face_y", "face_size"), zip(*faces, strict=True), strict=True):
            result[name] = _mean_and_deviation(values, 3)
    grounds = [picture.ground for picture in pictures if picture.ground is not None]
    contents = [picture.content for picture in pictures if picture.content is not None]
    if grounds:
        result |= {"ground": _mean_and_deviation(grounds, 3), "plain": len(contents)}
    if contents:
        result["content"] = _mean_and_deviation(contents, 3)
    return result


def find_warnings(domains: Mapping[str, Domain], measured: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns the problems of training on these domains, a sentence or two each; `measured` comes from `measure`."""
    found = [text for name, domain in domains.items() for text in _of_one(name, domain, measured[name])]
    is_consistent, text = consistency.describe(measured, _counts(domains))
    return found if is_consistent else [*found, text]


def rows(domains: Mapping[str, Domain], measured: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Returns a table for people: rows of a label and a text for each domain."""
    table = [
        ("Pictures found", [f"{domain.found:,}" for domain in domains.values()]),
        ("Kept to train on", [f"{len(domain.split('train')):,}" for domain in domains.values()]),
        ("Kept to test on", [f"{len(domain.split('test')):,}" for domain in domains.values()]),
        ("Dropped", [f"{len(domain.dropped):,}" for domain in domains.values()]),
        ("Other files", [f"{domain.other_files:,}" for domain in domains.values()]),
    ]
    numbers = measured.values()
    if all(numbers):
        table += [
            ("Median size", [f"{each['width']} x {each['height']}" for each in numbers]),
            ("Enlarged", [f"{each['enlarged']:,}" for each in numbers]),
            ("Mean red, green, blue", [", ".join(f"{value:.0f}" for value in each["colour"]) for each in numbers]),
            ("Brightness", ["{:.0f} ± {:.0f}".format(*each["brightness"]) for each in numbers]),
        ]
    if any("faces" in each for each in numbers):
        labels = {"face_size": "Face's share", "face_x": "Face from the left", "face_y": "Face from the top"}
        table.append(("Faces found", [f"{each.get('faces', 0):,}" for each in numbers]))
        table += [(label, [_percent(each.get(name)) for each in numbers]) for name, label in labels.items()]
    if any("ground" in each for each in numbers):
        table += [
            ("Ground's share", [_percent(each.get("ground")) for each in numbers]),
            ("On an even ground", [f"{each.get('plain', 0):,}" for each in numbers]),
            ("Size on an even ground", [_percent(each.get("content")) for each in numbers]),
        ]
    return [(label, *values) for label, values in table]


def _of_one(name: str, domain: Domain, measured: Mapping[str, Any]) -> list[str]:
    count = len(domain.kept)
    found = []
    if count < _FEW:
        found.append(f"{name} has {count} images; results are poor below about {_FEW}. Consider --diffaugment.")
    if domain.alike:
        found.append(
            f"{len(domain.alike)} pairs of pictures of {name} may be copies. They are kept, and both of a pair are for "
            "training or both for testing: look at them in the report."
        )
    for reason, dropped in domain.reasons.items():
        if dropped > _MANY * domain.found:
            hint = f" The detector does not know drawings: use --crop_{name} center for them."
            found.append(
                f"{dropped} of {domain.found} pictures of {name} were dropped: {reason}."
                + (hint if reason == NO_FACE else "")
            )
    if measured and measured["enlarged"] > _MANY * count:
        found.append(
            f"{measured['enlarged']} of {count} images of {name} were enlarged, so they are blurred. Use larger "
            "pictures, or a smaller --size and --img_size."
        )
    return found


def _mean_and_deviation(values: Sequence[float], digits: int) -> list[float]:
    return [round(statistics.fmean(values), digits), round(statistics.pstdev(values), digits)]


def _percent(numbers: Sequence[float] | None) -> str:
    return "{:.0%} ± {:.0%}".format(*numbers) if numbers else "-"
