"""Comparison of the two domains: numbers, and the warnings that follow from them."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ugatit_tf.data.preparation.outcome import Domain
from ugatit_tf.data.preparation.survey import NO_FACE

_FEW = 500
_MANY = 0.2  # of a domain's pictures
_UNLIKE = 1.4  # times the size of the faces of the other domain
_MOST = 0.5  # of a domain's pictures must show a face for their size to mean anything
_LUMA = (0.299, 0.587, 0.114)


def measure(domain: Domain, size: int) -> dict[str, Any]:
    """Numbers about the pictures kept; of a mean, also the standard deviation.

    Args:
        domain: whose pictures.
        size: side of the squares, in pixels.

    Returns:
        `width`, `height`: medians, in pixels. `enlarged`: how many were smaller than `size`. `colour`: mean red, green
        and blue, 0 to 255. `brightness`: mean and deviation. Where faces were found, `faces`: how many; `face_x`,
        `face_y`, `face_size`: means and deviations, in shares of the square. Nothing, where none is kept.
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
    return result


def warnings(domains: Mapping[str, Domain], measured: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What speaks against training on these domains, a sentence or two each; `measured` is by `measure`."""
    found = [text for name, domain in domains.items() for text in _of_one(name, domain, measured[name])]
    shares = {
        name: measured[name]["face_size"][0]
        for name, domain in domains.items()
        if measured[name].get("faces", 0) > _MOST * len(domain.kept)
    }
    if len(shares) == 2 and max(shares.values()) > _UNLIKE * min(shares.values()):
        large, small = sorted(shares, key=shares.__getitem__, reverse=True)
        found.append(
            f"Faces in {large} fill {shares[large]:.0%} of the picture, in {small} {shares[small]:.0%}: make them "
            "alike, by --face_margin or by other pictures."
        )
    return found


def rows(domains: Mapping[str, Domain], measured: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """A table for people: a label, and a text for each domain."""
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
    return [(label, *values) for label, values in table]


def _of_one(name: str, domain: Domain, measured: Mapping[str, Any]) -> list[str]:
    count = len(domain.kept)
    found = []
    if count < _FEW:
        found.append(f"{name} has {count} images; results are poor under about {_FEW}: consider --diffaugment.")
    for reason, dropped in domain.reasons.items():
        if dropped > _MANY * domain.found:
            hint = f" For drawings, which the detector was not made for, --crop_{name} center."
            found.append(
                f"{dropped} of {domain.found} pictures of {name} were dropped: {reason}."
                + (hint if reason == NO_FACE else "")
            )
    if measured and measured["enlarged"] > _MANY * count:
        found.append(
            f"{measured['enlarged']} of {count} images of {name} were enlarged, and are blurred: larger pictures, or a "
            "smaller --size and --img_size, would be better."
        )
    return found


def _mean_and_deviation(values: Sequence[float], digits: int) -> list[float]:
    return [round(statistics.fmean(values), digits), round(statistics.pstdev(values), digits)]


def _percent(numbers: Sequence[float] | None) -> str:
    return "{:.0%} ± {:.0%}".format(*numbers) if numbers else "-"
