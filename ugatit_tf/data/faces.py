"""Finds the largest face in a photograph. The detector is an extra package: `pip install -r requirements-faces.txt`."""

import dataclasses
import functools
import importlib.util
import math
import threading

import numpy as np
from PIL import Image

from ugatit_tf.data import images
from ugatit_tf.errors import UsageError

_LONGEST_SIDE = 512  # pixels that the detector sees: it finds faces of a 25th of that, in a quarter of a second
_LEAST_EYE_DISTANCE = 0.2  # as a share of the face's size; about 0.4 in a frontal face
_LEAST_CONFIDENCE = 0.9  # below that, most detections were no faces


@dataclasses.dataclass(frozen=True)
class Face:
    """A face in a picture.

    Attributes:
        x: the distance of the middle from the left edge, in pixels.
        y: the distance of the middle from the top edge, in pixels.
        size: the larger of the height from forehead to chin and the width, in pixels.
        angle: the tilt of the line through the eyes, in degrees; positive if the eye on the right is lower. It is 0
            for a profile, whose eyes show no tilt.
    """

    x: float
    y: float
    size: float
    angle: float


@functools.cache
def detector() -> "FaceDetector":
    """Returns the face detector.

    Raises:
        UsageError: The package is not installed; the message says how to install it.
    """
    if importlib.util.find_spec("mtcnn") is None:
        raise UsageError("--crop face needs a face detector: pip install -r requirements-faces.txt")
    return FaceDetector()


class FaceDetector:
    """MTCNN (Zhang et al., 2016), from the package `mtcnn`. Several threads may call it."""

    def __init__(self) -> None:
        from mtcnn import MTCNN  # not at the top, as this import loads TensorFlow

        self._mtcnn = MTCNN()
        self._lock = threading.Lock()

    def largest(self, picture: np.ndarray) -> Face | None:
        """Returns the largest face of an upright picture, uint8 `[H, W, C]`, or None if there is none."""
        small = Image.fromarray(images.with_channels(picture, 3))
        small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        scale = max(picture.shape[:2]) / max(small.size)
        with self._lock:
            found = self._mtcnn.detect_faces(np.asarray(small))
        faces = [_face(each, scale) for each in found if each["confidence"] >= _LEAST_CONFIDENCE]
        return max(faces, key=lambda face: face.size, default=None)


def _face(found: dict, scale: float) -> Face:
    x, y, width, height = (float(value) * scale for value in found["box"])
    # The detector names the eyes as the person would; here they are sorted by their place in the picture.
    (left_x, left_y), (right_x, right_y) = sorted(found["keypoints"][name] for name in ("left_eye", "right_eye"))
    size = max(width, height)
    # In a profile the eyes almost coincide, so the line through them does not show the head's tilt.
    is_profile = math.dist((left_x, left_y), (right_x, right_y)) * scale < _LEAST_EYE_DISTANCE * size
    angle = 0.0 if is_profile else math.degrees(math.atan2(right_y - left_y, right_x - left_x))
    return Face(x + width / 2, y + height / 2, size, angle)
