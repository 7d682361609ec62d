"""Puts a face at its place: a square whose sides follow from the points of the face.

In every square the eyes' middle is at the same place, the eyes are level, and their distance is the same share of the
side. So all that remains to tell two squares apart is what a translation is about.
"""

import dataclasses
import math

from ugatit_tf.data.regions import REFLECTION, Region

Point = tuple[float, float]

EYES_X, EYES_Y = 0.5, 0.47  # the place of the eyes' middle in a square, as shares of its sides
_EYES = 0.4  # the eyes' distance as a share of the side without a margin: 0.2 with the default margin of 0.5
# A head that is turned away has its eyes close together; its scale then follows from the distance of eyes and mouth.
_FRONTAL = 0.9  # the eyes' distance in frontal faces, as a multiple of the distance of eyes and mouth
_TURNED = 0.6  # below this multiple the head is turned so far that its eyes tell no tilt
_STEEPEST = 60.0  # degrees: detections that are tilted more were wrong


@dataclasses.dataclass(frozen=True)
class Face:
    """A face in a picture; all numbers are in pixels from its left upper corner.

    Attributes:
        left_eye: the eye on the left side of an upright picture.
        right_eye: the other eye.
        mouth: the middle of the mouth.
        x: the middle of the box around the face, across.
        y: the same, down.
        size: the side of this box, which reaches from the brows to the chin.
        score: how likely it is a face, 0 to 1.
    """

    left_eye: Point
    right_eye: Point
    mouth: Point
    x: float
    y: float
    size: float
    score: float = 1.0

    @property
    def eyes(self) -> Point:
        """The middle between the eyes."""
        return (self.left_eye[0] + self.right_eye[0]) / 2, (self.left_eye[1] + self.right_eye[1]) / 2

    @property
    def eye_distance(self) -> float:
        """The distance between the eyes; in a head that is turned away, the one that it would have from the front."""
        apart = math.dist(self.left_eye, self.right_eye)
        return apart if self._is_frontal else _FRONTAL * math.dist(self.eyes, self.mouth)

    @property
    def angle(self) -> float:
        """The tilt of the line through the eyes in degrees, clockwise; 0 if it is implausible."""
        (left, upper), (right, lower) = self.left_eye, self.right_eye
        angle = math.degrees(math.atan2(lower - upper, right - left))
        return angle if self._is_frontal and abs(angle) <= _STEEPEST else 0.0

    @property
    def _is_frontal(self) -> bool:
        return math.dist(self.left_eye, self.right_eye) >= _TURNED * math.dist(self.eyes, self.mouth)


def around(face: Face, margin: float) -> Region:
    """Returns the square around a face, which is turned as the face is; `margin` is the value of `--face_margin`."""
    side = face.eye_distance * (1 + 2 * margin) / _EYES
    # The middle of the square, from the eyes' middle, in the direction in which the face is upright.
    u, v = (0.5 - EYES_X) * side, (0.5 - EYES_Y) * side
    sine, cosine = math.sin(math.radians(face.angle)), math.cos(math.radians(face.angle))
    x, y = face.eyes
    return Region(
        x + u * cosine - v * sine, y + u * sine + v * cosine, side, side, face.angle, beyond=REFLECTION, is_exact=True
    )
