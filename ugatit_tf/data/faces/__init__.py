"""Faces and people in pictures: the detector, the square around a face, and the mask of a person."""

from ugatit_tf.data.faces.alignment import Face, around
from ugatit_tf.data.faces.detection import FaceDetector, detector
from ugatit_tf.data.faces.mask import PersonMask, person_mask

__all__ = ["Face", "FaceDetector", "PersonMask", "around", "detector", "person_mask"]
