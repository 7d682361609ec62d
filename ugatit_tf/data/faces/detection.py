"""Finds faces in a picture by BlazeFace (Bazarevsky et al., 2019), MediaPipe's detector for short range.

The network sees a square of 128 pixels, in which it misses faces of less than about a fifth of the side. So the whole
picture and overlapping tiles of it are searched. Each find is then looked at again in the square that would be cut out
around it: this makes the points of faces of all sizes equally exact, and refuses most finds that are no faces.
"""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from ugatit_tf.data import images, regions
from ugatit_tf.data.faces import alignment
from ugatit_tf.data.faces.alignment import Face
from ugatit_tf.data.faces.network import Network
from ugatit_tf.data.regions import Region
from ugatit_tf.system import assets

_SIDE = 128  # pixels of the network's input
_GRIDS = ((16, 2), (8, 6))  # cells on a side, and anchors in a cell
_LEAST_SCORE = 0.5  # of a find in a tile
# Of the same find in its own square: in 60 photographs, 115 faces had at least 0.82, and finds that were none (logos,
# dogs, hands) at most 0.76.
_LEAST_CONFIRMED = 0.78
_OVERLAP = 0.3  # boxes that share more of their union show one face
_INSIDE = 0.6  # a box that lies with more of its area in a larger, likelier one shows a part of that face
_LEVELS = 3  # the whole picture, tiles of half its longer side, tiles of a quarter
_SEARCHED = 512  # pixels: a picture is searched with its longer side reduced to this or a bit more
_SMALLEST_TILE = 96  # pixels: smaller tiles show nothing that larger ones do not
_SHARE_OF_TILE = 0.5  # of a tile's side: larger faces were found in the larger tiles
_LOOKS = 2  # how often a find is looked at again
_VIEW_MARGIN = 0.5  # of the square in which it is looked at
_LARGEST_LOGIT = 80.0  # more would overflow


@functools.cache
def detector(folder: str = "") -> "FaceDetector":
    """Returns the face detector.

    Args:
        folder: the folder of `--assets`; "": npm fetches the network.

    Raises:
        RunError: The network cannot be fetched or read.
    """
    return FaceDetector(Network(assets.FACE_DETECTOR, folder))


class FaceDetector:
    """Finds faces. Several threads may call it.

    Args:
        network: maps float32 `[1, 128, 128, 3]` in [-1, 1] to numbers `[1, 896, 16]` and logits `[1, 896, 1]`.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    def largest(self, picture: np.ndarray) -> Face | None:
        """Returns the largest face of an upright picture, uint8 `[H, W, C]`, or None if there is none.

        Smaller tiles are searched only if they could show a larger face than was found.
        """
        largest = None
        for level in range(_LEVELS):
            faces = self._found(picture, range(level, level + 1))
            largest = max([*faces, *filter(None, [largest])], key=lambda face: face.size, default=None)
            if largest and largest.size >= _SHARE_OF_TILE * max(picture.shape[:2]) / 2 ** (level + 1):
                break
        return largest

    def all(self, picture: np.ndarray, levels: int = _LEVELS) -> list[Face]:
        """Returns all faces of an upright picture, the largest first.

        Args:
            picture: uint8 `[H, W, C]`.
            levels: 1 searches the whole picture; each further level also searches tiles of half the former side.
        """
        return sorted(self._found(picture, range(levels)), key=lambda face: -face.size)

    def _found(self, picture: np.ndarray, levels: Sequence[int]) -> list[Face]:
        rgb = images.with_channels(picture, 3)
        factor = max(1, max(rgb.shape[:2]) // _SEARCHED)
        small = images.to_pixels(images.to_picture(rgb).reduce(factor))
        found = [
            _scaled(face, factor) for tile in tiles(*small.shape[:2], levels) for face in self._search(small, tile)
        ]
        confirmed = (self._looked_at(rgb, face) for face in merged(found))
        return merged([face for face in confirmed if face])

    def _looked_at(self, picture: np.ndarray, face: Face) -> Face | None:
        """Measures a find again in its own square; returns None if that shows no face."""
        for _ in range(_LOOKS):
            view = dataclasses.replace(alignment.around(face, _VIEW_MARGIN), beyond="#000000")
            near = [found for found in self._search(picture, view) if overlap(found, face) > _OVERLAP]
            if not near:
                return None
            face = max(near, key=lambda found: found.score)
        return face if face.score >= _LEAST_CONFIRMED else None

    def _search(self, picture: np.ndarray, region: Region) -> list[Face]:
        """Returns the faces in a square region of a picture, in the picture's pixels."""
        square = images.to_float(regions.sample(picture, region, _SIDE))
        numbers, logits = self._network(square[np.newaxis])
        scores, places = decoded(numbers[0], logits[0, :, 0])
        return [_face(score, place, region) for score, place in suppressed(scores, places)]


def tiles(height: int, width: int, levels: Sequence[int]) -> Iterator[Region]:
    """Yields the squares to search.

    Args:
        height: the picture's height.
        width: the picture's width.
        levels: 0 is the whole picture in a square; a level k is all tiles of a 2**k-th of the longer side, which
            overlap by at least a half. There are no tiles of less than 96 pixels.
    """
    for level in levels:
        side = max(height, width) / 2**level
        if level and side < _SMALLEST_TILE:
            return
        for y in _middles(height, side):
            for x in _middles(width, side):
                yield Region(x, y, side, side, beyond="#000000", is_exact=True)


def _middles(length: int, side: float) -> list[float]:
    """Returns the middles of the fewest tiles that cover a side from end to end, and overlap by a half or more."""
    if length <= side:
        return [length / 2]
    count = math.ceil((length - side) / (side / 2)) + 1
    return [side / 2 + (length - side) * index / (count - 1) for index in range(count)]


@functools.cache
def anchors() -> np.ndarray:
    """Returns the middles of the cells that the network's outputs refer to, float64 `[896, 2]`: x and y, 0 to 1."""
    rows = []
    for cells, each in _GRIDS:
        for row in range(cells):
            for column in range(cells):
                rows += [((column + 0.5) / cells, (row + 0.5) / cells)] * each
    return np.array(rows)


def decoded(numbers: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the outputs of the network that are faces.

    Args:
        numbers: `[896, 16]` in pixels of the input: the box's middle from the cell's middle, the box's width and
            height, and six points from the cell's middle.
        logits: `[896]`.

    Returns:
        The scores `[N]`, and float64 `[N, 16]`: the same numbers as shares of the input's side, from its corner.
    """
    scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -_LARGEST_LOGIT, _LARGEST_LOGIT)))
    likely = scores >= _LEAST_SCORE
    places = numbers[likely].astype(np.float64) / _SIDE
    middles = anchors()[likely]
    places[:, 0:2] += middles
    places[:, 4:] += np.tile(middles, 6)
    return scores[likely], places


def suppressed(scores: np.ndarray, places: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Joins detections of the same face, as MediaPipe does: their mean weighted by the scores, with the best score."""
    order = list(np.argsort(-scores, kind="stable"))
    found = []
    while order:
        best = places[order[0]]
        same = [index for index in order if _union_share(_box(places[index]), _box(best)) > _OVERLAP]
        weights = scores[same] / scores[same].sum()
        found.append((float(scores[order[0]]), weights @ places[same]))
        order = [index for index in order if index not in same and index != order[0]]
    return found


def merged(faces: Sequence[Face]) -> list[Face]:
    """Returns each face once, of those that several tiles show in whole or in part; the likeliest first."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if not any(overlap(face, other) > _OVERLAP or _share_inside(face, other) > _INSIDE for other in kept):
            kept.append(face)
    return kept


def overlap(one: Face, other: Face) -> float:
    """Returns the area that two faces' boxes share, as a share of their union."""
    return _union_share((one.x, one.y, one.size, one.size), (other.x, other.y, other.size, other.size))


def _share_inside(one: Face, other: Face) -> float:
    """Returns the area that two faces' boxes share, as a share of the smaller box."""
    boxes = (one.x, one.y, one.size, one.size), (other.x, other.y, other.size, other.size)
    return _common(*boxes) / min(one.size, other.size) ** 2


def _box(place: np.ndarray) -> tuple[float, ...]:
    return tuple(place[:4])


def _common(one: Sequence[float], other: Sequence[float]) -> float:
    """Returns the area that two boxes share, each given by its middle and size."""
    sides = []
    for axis in (0, 1):
        low = max(one[axis] - one[axis + 2] / 2, other[axis] - other[axis + 2] / 2)
        high = min(one[axis] + one[axis + 2] / 2, other[axis] + other[axis + 2] / 2)
        sides.append(max(0.0, high - low))
    return sides[0] * sides[1]


def _union_share(one: Sequence[float], other: Sequence[float]) -> float:
    common = _common(one, other)
    union = one[2] * one[3] + other[2] * other[3] - common
    return common / union if union > 0 else 0.0


def _scaled(face: Face, factor: int) -> Face:
    """Returns a face of a picture that was reduced by a factor, in pixels of the whole picture."""
    points = [(x * factor, y * factor) for x, y in (face.left_eye, face.right_eye, face.mouth)]
    return Face(*points, face.x * factor, face.y * factor, face.size * factor, face.score)


def _face(score: float, place: np.ndarray, region: Region) -> Face:
    """Returns a detection in a square region as a face in the picture."""
    points = [region.to_picture(*map(float, place[start : start + 2])) for start in (4, 6, 10)]
    x, y = region.to_picture(float(place[0]), float(place[1]))
    size = float(max(place[2], place[3])) * region.width
    return Face(*points, x, y, size, score)
