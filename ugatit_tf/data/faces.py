"""Detection of the largest face in a photograph. The detector is an extra: `pip install -r requirements-faces.txt`."""

import dataclasses
import functools
import importlib.util
import math
import threading

import numpy as np
from PIL import Image

from ugatit_tf.data import images
from ugatit_tf.errors import UsageError

_LONGEST_SIDE = 512  # of what the detector sees: faces of a 25th of that are still found, in a quarter of a second
_LEAST_EYE_DISTANCE = 0.2  # of the face's size; about 0.4 in a frontal face
_SUREST = 0.9  # what the detector is less sure of was mostly no face


@dataclasses.dataclass(frozen=True)
class Face:
    """A face in a picture.

    Attributes:
        x: of its middle, in pixels from the left edge.
        y: of its middle, in pixels from the top edge.
        size: its height from forehead to chin, or its width if that is more, in pixels.
        angle: the tilt of the line through its eyes, in degrees, positive if the eye on the right is lower; 0 for a
            profile, whose eyes show no tilt.
    """

    x: float
    y: float
    size: float
    angle: float


@functools.cache
def detector() -> "FaceDetector":
    """The face detector.

    Raises:
        UsageError: where the package is not installed; the message says how to install it.
    """
    if importlib.util.find_spec("mtcnn") is None:
        raise UsageError("--crop face needs a face detector: pip install -r requirements-faces.txt")
    return FaceDetector()


class FaceDetector:
    """MTCNN (Zhang et al., 2016), by the package `mtcnn`, which must be there; may be called from several threads."""

    def __init__(self) -> None:
        from mtcnn import MTCNN  # here, as it loads TensorFlow

        self._mtcnn = MTCNN()
        self._lock = threading.Lock()

    def largest(self, picture: np.ndarray) -> Face | None:
        """The largest face of an upright picture, uint8 `[H, W, C]`, or None where none is found."""
        small = Image.fromarray(images.with_channels(picture, 3))
        small.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
        scale = max(picture.shape[:2]) / max(small.size)
        with self._lock:
            found = self._mtcnn.detect_faces(np.asarray(small))
        faces = [_face(each, scale) for each in found if each["confidence"] >= _SUREST]
        return max(faces, key=lambda face: face.size, default=None)


def _face(found: dict, scale: float) -> Face:
    x, y, width, height = (float(value) * scale for value in found["box"])
    # As one sees them: on the left and on the right of the picture.
    (left_x, left_y), (right_x, right_y) = sorted(found["keypoints"][name] for name in ("left_eye", "right_eye"))
    size = max(width, height)
    # In a profile the eyes almost cover each other: the line through them says nothing about the head's tilt.
    is_profile = math.dist((left_x, left_y), (right_x, right_y)) * scale < _LEAST_EYE_DISTANCE * size
    angle = 0.0 if is_profile else math.degrees(math.atan2(right_y - left_y, right_x - left_x))
    return Face(x + width / 2, y + height / 2, size, angle)
