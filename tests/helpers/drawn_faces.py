"""Faces of three dots, whose points are known, and a network that finds them: tests of what surrounds the detector."""

import math

import numpy as np

from ugatit_tf.data.faces import Face
from ugatit_tf.data.faces.detection import anchors

_COLOURS = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255)])  # the left eye, the right eye, the mouth
_GROUND = 90
MOUTH = 1.08  # the distance from the eyes' middle to the mouth, in distances of the eyes


def face_at(x, y, distance, angle=0.0, mouth=MOUTH):
    """Returns a frontal face by the middle of its eyes, their distance, and its tilt in degrees."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))

    def point(u, v):
        return x + (u * cosine - v * sine) * distance, y + (u * sine + v * cosine) * distance

    return Face(point(-0.5, 0), point(0.5, 0), point(0, mouth), *point(0, 0.5), 2.4 * distance)


def draw(height, width, *faces):
    """Returns a picture of faces, uint8 `[height, width, 3]`, whose dots are a quarter of the eyes' distance wide."""
    row, column = np.mgrid[:height, :width] + 0.5
    picture = np.full((height, width, 3), _GROUND, np.float64)
    for face in faces:
        radius = math.dist(face.left_eye, face.right_eye) / 8
        for (x, y), colour in zip((face.left_eye, face.right_eye, face.mouth), _COLOURS, strict=True):
            share = np.clip(radius + 0.5 - np.hypot(column - x, row - y), 0, 1)[..., np.newaxis]
            picture += share * (colour - picture)
    return np.rint(picture).astype(np.uint8)


def points(picture):
    """Returns the middles of the red, the green and the blue dot in pixels, or None if one of them is missing."""
    levels = picture.astype(np.float64)
    found = []
    row, column = np.mgrid[: picture.shape[0], : picture.shape[1]] + 0.5
    for index in range(3):
        others = [levels[..., other] for other in range(3) if other != index]
        weight = np.clip(levels[..., index] - np.maximum(*others) - 20, 0, None)
        if weight.sum() < 200:
            return None
        found.append(((weight * column).sum() / weight.sum(), (weight * row).sum() / weight.sum()))
    return found


def network(inputs):
    """Finds one face of three dots, as BlazeFace would: numbers `[1, 896, 16]` and logits `[1, 896, 1]`."""
    numbers, logits = np.zeros((1, 896, 16), np.float32), np.full((1, 896, 1), -9, np.float32)
    found = points((inputs[0] + 1) * 127.5)
    if found:
        (ax, ay), (bx, by), (mx, my) = np.array(found)
        distance = math.hypot(bx - ax, by - ay)
        middle = (ax + bx) / 2, (ay + by) / 2
        box = (middle[0] + mx) / 2, (middle[1] + my) / 2
        near = np.argsort(np.hypot(*(anchors() * 128 - box).T))[:3]
        values = [*box, 0, 0, ax, ay, bx, by, *box, mx, my, ax, ay, bx, by]
        numbers[0, near] = np.array(values) - np.tile(anchors()[near] * 128, (1, 8))
        numbers[0, near, 2:4] = 2.4 * distance
        logits[0, near] = 4
    return [numbers, logits]


class Detector:
    """Finds what a function finds in a picture: a list of faces, the largest first."""

    def __init__(self, find):
        self._find = find

    def largest(self, picture):
        return next(iter(self._find(picture)), None)

    def all(self, picture, levels=0):
        return self._find(picture)
