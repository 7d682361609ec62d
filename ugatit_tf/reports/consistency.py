"""Says whether the two domains of a dataset differ in more than their style, and what to do about it.

The network learns every difference between A and B. If heads are larger in B, it learns to enlarge them; if only B
stands on white, it learns to erase the scene. That costs time and quality, and preparing the pictures alike avoids it.
"""

from collections.abc import Mapping
from typing import Any

_UNLIKE_SIZE = 1.25  # times the size in the other domain
_UNLIKE_GROUND = 0.2  # of the square
_UNLIKE_BRIGHTNESS = 40  # of 255
_MOST = 0.5  # of a domain's pictures must be measured


def describe(measured: Mapping[str, Mapping[str, Any]], counts: Mapping[str, int]) -> tuple[bool, str]:
    """Compares the sizes, the grounds and the brightness of both domains.

    Args:
        measured: by domain, what `preparation.measure` returns.
        counts: by domain, the number of its pictures.

    Returns:
        Whether the domains are consistent, and a text for people; an empty text if a domain has no pictures.
    """
    if not all(measured.values()):
        return True, ""
    (a, first), (b, second) = measured.items()
    alike, unlike = [], []
    size = next((key for key in ("face_size", "content") if _has_most(measured, counts, key)), None)
    if size:
        what, advice = _SIZES[size]
        x, y = first[size][0], second[size][0]
        if max(x, y) > _UNLIKE_SIZE * min(x, y):
            unlike.append((f"{what} fill {x:.0%} of the side in {a} and {y:.0%} in {b}", advice))
        else:
            alike.append("size")
    if all("ground" in each for each in measured.values()):
        x, y = first["ground"][0], second["ground"][0]
        if abs(x - y) > _UNLIKE_GROUND:
            advice = "Use pictures on a ground of the same kind in both"
            unlike.append((f"the ground fills {x:.0%} of {a} and {y:.0%} of {b}", advice))
        else:
            alike.append("ground")
    x, y = first["brightness"][0], second["brightness"][0]
    if abs(x - y) > _UNLIKE_BRIGHTNESS:
        advice = "Use pictures of similar brightness, or lighten the dark ones"
        unlike.append((f"the mean brightness is {x:.0f} of 255 in {a} and {y:.0f} in {b}", advice))
    else:
        alike.append("brightness")
    if not unlike:
        listed = " and ".join(filter(None, (", ".join(alike[:-1]), alike[-1])))
        return True, f"{a} and {b} are consistent: they are similar in {listed}."
    differences, advices = zip(*unlike, strict=True)
    return False, f"{a} and {b} are not consistent: {'; '.join(differences)}. {'. '.join(advices)}."


_SIZES = {
    "face_size": ("faces", "Make faces similar by --face_margin, or use other pictures"),
    "content": ("heads or drawings", "Give both the same room around them, by other pictures or by cropping them"),
}


def _has_most(measured: Mapping[str, Mapping[str, Any]], counts: Mapping[str, int], key: str) -> bool:
    """Returns whether a size is known of most pictures in each domain."""
    number = {"face_size": "faces", "content": "plain"}[key]
    return all(each.get(number, 0) > _MOST * counts[name] for name, each in measured.items())
