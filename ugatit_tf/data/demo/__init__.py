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

# Both test splits draw from one stream of faces: that is what makes them pairs.
_FACE_STREAMS = {"trainA": 0, "trainB": 1, "testA": 2, "testB": 2}


def face_of(split: str, index: int, seed: int = 0) -> Face:
    """The face that one picture of the demo data shows.

    Args:
        split: a key of `SPLIT_SIZES`. `testA` and `testB` at the same index show the same face.
        index: which picture, 0 up to the split's size.
        seed: names the whole data set; another seed gives other faces.

    Raises:
        ValueError: if the split is unknown.
        IndexError: if the index is outside the split.
    """
    if split not in SPLIT_SIZES:
        raise ValueError(f"unknown demo split {split!r}; known are {', '.join(SPLIT_SIZES)}")
    if not 0 <= index < SPLIT_SIZES[split]:
        raise IndexError(f"demo split {split} has pictures 0 to {SPLIT_SIZES[split] - 1}, not {index}")
    return sample_face(np.random.default_rng([seed, _FACE_STREAMS[split], index]))


def draw(split: str, index: int, size: int, seed: int = 0) -> np.ndarray:
    """Draws one picture of the demo data; any picture can be drawn alone.

    Args:
        split: as for `face_of`, which also tells what is raised.
        index: likewise.
        size: side of the picture in pixels.
        seed: as for `face_of`.

    Returns:
        The picture, uint8 [size, size, 3]: a photo if the split ends in A, a cartoon if in B.
    """
    face = face_of(split, index, seed)
    return draw_photo(face, size) if split.endswith("A") else draw_cartoon(face, size)
