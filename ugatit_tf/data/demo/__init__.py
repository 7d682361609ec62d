"""The built-in demo data: faces drawn as soft photographs (domain A) and as flat cartoons (domain B).

A `Face` holds every parameter of a picture in units free of the pixel size, so one face can be drawn in both domains.
Training faces appear in one domain only, as in any unpaired data set; test faces appear in both, so a translation of
`testA[i]` can be compared with its ground truth, `testB[i]`.
"""

import numpy as np

from ugatit_tf.data.demo.drawing import draw_cartoon, draw_photo
from ugatit_tf.data.demo.faces import Face, sample_face

__all__ = ["SPLIT_SIZES", "Face", "draw", "face_of", "sample_face"]

SPLIT_SIZES: dict[str, int] = {"trainA": 400, "trainB": 400, "testA": 100, "testB": 100}

# Both test splits draw from one stream of faces, so that they are pairs.
_FACE_STREAMS = {"trainA": 0, "trainB": 1, "testA": 2, "testB": 2}


def face_of(split: str, index: int, seed: int = 0) -> Face:
    """Returns the face that a picture of the demo data shows.

    Args:
        split: a key of `SPLIT_SIZES`. `testA` and `testB` show the same face at the same index.
        index: the number of the picture, from 0 up to the split's size.
        seed: the seed of all faces; another seed gives other faces.

    Raises:
        ValueError: The split is unknown.
        IndexError: The index is outside the split.
    """
    if split not in SPLIT_SIZES:
        raise ValueError(f"unknown demo split {split!r}; known are {', '.join(SPLIT_SIZES)}")
    if not 0 <= index < SPLIT_SIZES[split]:
        raise IndexError(f"demo split {split} has pictures 0 to {SPLIT_SIZES[split] - 1}, not {index}")
    return sample_face(np.random.default_rng([seed, _FACE_STREAMS[split], index]))


def draw(split: str, index: int, size: int, seed: int = 0) -> np.ndarray:
    """Draws a picture of the demo data, independently of all others.

    Args:
        split: a key of `SPLIT_SIZES`.
        index: the number of the picture, from 0 up to the split's size.
        size: the side of the picture in pixels.
        seed: the seed of all faces.

    Returns:
        The picture, uint8 `[size, size, 3]`: a photo for a split that ends in A, a cartoon for one that ends in B.

    Raises:
        ValueError: The split is unknown.
        IndexError: The index is outside the split.
    """
    face = face_of(split, index, seed)
    return draw_photo(face, size) if split.endswith("A") else draw_cartoon(face, size)
