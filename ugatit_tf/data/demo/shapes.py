"""Defines the shapes of a face, and the pen that draws them, for both drawings of the demo data."""

import math

import numpy as np
from PIL import Image, ImageDraw

from ugatit_tf.data.demo.faces import RGB, Face

INK: RGB = (0.16, 0.10, 0.14)
WHITE: RGB = (1.0, 1.0, 1.0)
_MINIMUM_CANVAS = (
    384  # smaller pictures are drawn larger and reduced, because edges are hard and line widths whole pixels
)


class Pen:
    """Draws shapes, given in a face's head units, on a canvas that is larger than the picture."""

    def __init__(self, face: Face, size: int, backdrop: tuple[RGB, RGB]) -> None:
        self.face = face
        self.size = size
        self.side = size * max(3, math.ceil(_MINIMUM_CANVAS / size))
        above, below = backdrop
        self.canvas = Image.new("RGB", (self.side, self.side), _ink(above))
        self.artist = ImageDraw.Draw(self.canvas)
        left, right = (height * self.side for height in face.horizon)
        self.artist.polygon([(0, left), (self.side, right), (self.side,) * 2, (0, self.side)], fill=_ink(below))

    def place(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Converts points from head units, `[N, 2]`, to canvas pixels."""
        cos, sin = math.cos(self.face.tilt), math.sin(self.face.tilt)
        turned = points @ np.array([[cos, sin], [-sin, cos]])
        pixels = (turned * self.face.scale + (self.face.centre_x, self.face.centre_y)) * self.side
        return [tuple(point) for point in pixels.tolist()]

    def fill(self, points: np.ndarray, colour: RGB) -> None:
        """Fills the polygon that the points enclose."""
        self.artist.polygon(self.place(points), fill=_ink(colour))

    def stroke(self, points: np.ndarray, width: float, colour: RGB) -> None:
        """Draws a line `width` head units wide."""
        pixels = max(1, round(width * self.face.scale * self.side))
        self.artist.line(self.place(points), fill=_ink(colour), width=pixels, joint="curve")

    def outline(self, points: np.ndarray, colour: RGB) -> None:
        """Fills a polygon and draws a dark line around it."""
        self.fill(points, colour)
        self.stroke(np.concatenate([points, points[:2]]), 0.06, INK)

    def picture(self) -> Image.Image:
        """Returns the drawing, reduced to the picture's size."""
        return self.canvas.reduce(self.side // self.size)


def _ink(colour: RGB) -> tuple[int, ...]:
    """Converts RGB from 0..1 to Pillow's 0..255."""
    return tuple(round(255 * c) for c in colour)


def shade(colour: RGB, factor: float) -> RGB:
    """Multiplies a colour by a factor; factors below 1 darken it."""
    return tuple(c * factor for c in colour)


def blend(first: RGB, second: RGB, weight: float) -> RGB:
    """Mixes two colours: weight 0 returns the first, 1 the second."""
    return tuple(a + weight * (b - a) for a, b in zip(first, second, strict=True))


# The functions below return the outlines that both domains share: arrays `[N, 2]` in head units.


def ellipse(u: float, v: float, ru: float, rv: float, arc: tuple[float, float] = (0, 2)) -> np.ndarray:
    """Outlines an ellipse, or an arc of it between two angles in multiples of pi, clockwise from the right."""
    angle = math.pi * np.linspace(*arc, 40)
    return np.stack([u + ru * np.cos(angle), v + rv * np.sin(angle)], axis=-1)


def crescent(u: float, v: float, ru: float, outer: float, inner: float) -> np.ndarray:
    """Outlines the area between two arches with the same ends; their heights are `outer` and `inner`."""
    return np.concatenate([ellipse(u, v, ru, outer, (1, 2)), ellipse(u, v, ru, inner, (2, 1))])


def _head() -> np.ndarray:
    points = ellipse(0, 0, 1, 1.15)
    points[:, 0] *= 1 - 0.24 * np.maximum(points[:, 1] / 1.15, 0) ** 2  # a chin narrower than the brow
    return points


def _crown() -> np.ndarray:
    return ellipse(0, -0.1, 1.18, 1.28, (1, 2))


def _back_hair(face: Face) -> np.ndarray:
    across = np.linspace(1, -1, 41)
    width = 1.08 + 0.12 * face.hair_length
    tips = face.hair_length + 0.12 * np.abs(np.sin(across * 2.5 * math.pi)) - 0.1 * across**2
    return np.concatenate([_crown(), np.stack([width * across, tips], axis=-1)])


def fringe(face: Face) -> np.ndarray:
    """Outlines the hair in front of the brow: locks below, the crown above."""
    across = np.linspace(1, -1, 81)
    lock = np.abs(2 * ((2 * across + 0.5 * face.parting * (1 - across**2)) % 1) - 1)  # 1 at a tip, 0 between locks
    temple = 0.5 + 0.2 * face.hair_length  # longer hair has longer locks before the ears
    low = -0.68 + face.fringe * lock**1.6 + temple * across**4
    return np.concatenate([_crown(), np.stack([1.16 * across, low], axis=-1)])


def mouth(face: Face, width: float) -> np.ndarray:
    """Returns the line between the lips, which reaches `width` head units to each side."""
    across = np.linspace(-1, 1, 21)
    return np.stack([width * across, 0.74 + 0.12 * face.smile * (0.5 - across**2)], axis=-1)


def paint_regions(pen: Pen, skin: RGB, neck: RGB, hair: RGB, clothes: RGB, *, outlined: bool = False) -> None:
    """Paints hair, neck, clothes, ears and head from back to front, without facial features and fringe."""
    paint = pen.outline if outlined else pen.fill
    paint(_back_hair(pen.face), hair)
    paint(np.array([(-0.36, 0.8), (0.36, 0.8), (0.42, 1.7), (-0.42, 1.7)]), neck)
    paint(np.concatenate([ellipse(0, 2.6, 1.75, 1.15, (1, 2)), [(1.9, 5), (-1.9, 5)]]), clothes)
    for side in (-1, 1):
        paint(ellipse(side * 0.98, 0.2, 0.14, 0.22), skin)
    paint(_head(), skin)
