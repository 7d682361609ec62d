"""Report of `--phase prepare`: `report.json` for programs, `report.html` to look at."""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.data.preparation.outcome import Domain, Dropped, Kept
from ugatit_tf.data.preparation.prepared import REPORT
from ugatit_tf.data.preparation.survey import Picture
from ugatit_tf.errors import shown
from ugatit_tf.reports import comparison, gallery
from ugatit_tf.reports.gallery import Item, Section
from ugatit_tf.system.files import replace_folder, write_atomically

PAGE = "report.html"
PICTURES = "report"  # the folder of the pictures that the page has beside the dataset's own
_SHOWN = 60  # of a split
_SHOWN_DROPPED = 24  # of those dropped for one reason
_THUMBNAIL = 180  # pixels
_MEAN_OF = 200


def write(
    root: Path, settings: Mapping[str, Any], domains: Mapping[str, Domain], both: Sequence[tuple[Picture, Picture]]
) -> list[str]:
    """Writes the report into a dataset's folder.

    Args:
        root: the folder, which has the pictures already.
        settings: of the run, by flag.
        domains: A and B.
        both: pictures of A and of B that are the same.

    Returns:
        The warnings, a sentence or two each.

    Raises:
        RunError: where it cannot be written.
    """
    measured = {name: comparison.measure(domain, settings["size"]) for name, domain in domains.items()}
    warnings = comparison.warnings(domains, measured)
    warnings += [
        f"No picture of {name} was drawn for testing: try a larger --test_share, or another --seed."
        for name, domain in domains.items()
        if settings["test_share"] and domain.kept and not domain.split("test")
    ]
    if both:
        example = " and ".join(shown(picture.path) for picture in both[0])
        warnings.append(f"In both A and B: {len(both)} of the pictures, such as {example}.")
    report = {
        "settings": dict(settings),
        "warnings": warnings,
        "domains": {name: _summary(domain) | measured[name] for name, domain in domains.items()},
        "in_both": [[picture.path for picture in pair] for pair in both],
        "pictures": {
            name: [_facts(entry) for entry in (*domain.kept, *domain.dropped)] for name, domain in domains.items()
        },
    }
    write_atomically(root / REPORT, (json.dumps(report, indent=1) + "\n").encode())
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
    }


def _facts(entry: Kept | Dropped) -> dict[str, Any]:
    """Everything about a picture that is known."""
    picture = entry.picture
    if isinstance(entry, Kept):
        facts = {"path": picture.path, "file": entry.file, "colour": picture.colour}
    else:
        facts = {"path": picture.path, "dropped": entry.reason, "detail": entry.detail, "instead": entry.instead}
    facts |= {"width": picture.width, "height": picture.height}
    if picture.face:
        facts["face"] = dict(zip(("x", "y", "size"), picture.face, strict=True))
    return {name: value for name, value in facts.items() if value}


def _sections(
    root: Path, folder: Path, domains: Mapping[str, Domain], measured: Mapping[str, Mapping[str, Any]]
) -> list[Section]:
    means = (_mean_picture(root, folder, name, domain) for name, domain in domains.items())
    rows = tuple(comparison.rows(domains, measured))
    sections = [Section("A beside B", rows, tuple(item for item in means if item), tuple(domains), total=0)]
    for split in ("train", "test"):
        for name, domain in domains.items():
            kept = domain.split(split)
            sections.append(Section(f"{split}{name}", (), tuple(map(_kept_item, _some(kept, _SHOWN))), total=len(kept)))
    for name, domain in domains.items():
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
    """Up to `count` entries from all over."""
    return [entries[index] for index in np.unique(np.linspace(0, len(entries) - 1, count).astype(int)) if entries]


def _kept_item(kept: Kept) -> Item:
    picture = kept.picture
    return Item(Path(picture.path).name, ((f"{picture.width} x {picture.height}", kept.file),))


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
    """Writes a small copy of a picture; false where it can no longer be read."""
    try:
        image = images.to_picture(images.decode(path))
    except images.UnreadableImageError:
        return False
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    images.save(target, images.to_pixels(image), kind="JPEG")
    return True


def _mean_picture(root: Path, folder: Path, name: str, domain: Domain) -> Item | None:
    """The mean of a domain's squares: sharp where they are alike."""
    some = _some(domain.kept, _MEAN_OF)
    if not some:
        return None
    total = sum(images.decode(root / kept.file).astype(np.float64) for kept in some)
    images.save(folder / f"mean_{name}.jpg", np.rint(total / len(some)).astype(np.uint8), kind="JPEG")
    return Item(f"Mean of {name}", ((f"{len(some)} pictures", f"{PICTURES}/mean_{name}.jpg"),))
