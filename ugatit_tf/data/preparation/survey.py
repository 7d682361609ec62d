"""Survey of one picture for a dataset: it is read, measured, made square and stored."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import crops, faces, images
from ugatit_tf.data.crops import Cropper
from ugatit_tf.data.faces import Face
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.data.preparation import duplicates
from ugatit_tf.errors import reason, shown

UNREADABLE, TOO_SMALL, NO_FACE = "unreadable", "too small", "no face"
_READING = 2  # the version of how pictures are read: since 2, in sRGB by their profile


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is asked for.

    Attributes:
        inputs: by domain, "A" and "B", the folder of its pictures.
        size: side of the squares, in pixels.
        min_size: pictures, or squares around faces, below this side are dropped.
        test_share: share of each domain that is set apart for testing.
        test_max: but no more than this.
        image_format: "png" or "jpeg".
    """

    inputs: Mapping[str, Path]
    size: int
    min_size: int
    test_share: float
    test_max: int
    image_format: str


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What decides how a picture of a domain is made square; part of the key of each picture made by it."""

    domain: str
    crop: str
    face_margin: float
    no_face: str
    size: int
    min_size: int
    channels: int
    image_format: str
    measure_faces: bool

    @property
    def ending(self) -> str:
        """Of the files made."""
        return images.ENDINGS[self.image_format]

    @functools.cached_property
    def identity(self) -> str:
        """Is equal for equal recipes and one way of reading pictures, and for no others."""
        facts = dataclasses.asdict(self) | {"reading": _READING}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True, slots=True)  # slots, as there may be a hundred thousand
class Picture:
    """What was found out about a file.

    Attributes:
        path: of the file.
        problem: why it cannot be used: UNREADABLE, TOO_SMALL, NO_FACE; or "".
        detail: more of that, in words.
        digest: of the file's bytes, hexadecimal.
        key: names the square made of it: of the digest and the recipe.
        width: of the upright picture, in pixels.
        height: of the upright picture, in pixels.
        side: the shorter side of what became the square, in pixels.
        fingerprints: of the picture and, where it differs, the square: see `duplicates`; hexadecimal.
        colour: the square's mean red, green and blue, 0 to 255.
        face: the middle of the face and its size in the square, as shares of its side; None where none was looked for
            or found.
    """

    path: str
    problem: str = ""
    detail: str = ""
    digest: str = ""
    key: str = ""
    width: int = 0
    height: int = 0
    side: int = 0
    fingerprints: tuple[str, ...] = ()
    colour: tuple[float, ...] = ()
    face: tuple[float, ...] | None = None


class Surveyor:
    """Makes squares by a recipe, in a folder that exists; may be called from several threads.

    Args:
        config: how pictures are cropped, and their channels.
        plan: the rest of the recipe.
        domain: "A" or "B".
        folder: where the squares go: KEY.png or KEY.jpg.
        measure_faces: look for faces in the squares even where they were not cropped around one.

    Raises:
        UsageError: where a face detector is needed and none is installed.
    """

    def __init__(self, config: Config, plan: Plan, domain: str, folder: Path, *, measure_faces: bool) -> None:
        self._cropper = Cropper.of(config, domain, "center")
        self._detector = self._cropper.detector or (faces.detector() if measure_faces else None)
        self._folder = folder
        self.recipe = Recipe(
            domain,
            self._cropper.crop,
            config.face_margin,
            config.no_face,
            plan.size,
            plan.min_size,
            config.img_ch,
            plan.image_format,
            measure_faces,
        )

    def __call__(self, path: str) -> Picture:
        """Reads a file and, where it can be used, makes its square.

        Raises:
            RunError: where the square cannot be written.
        """
        recipe = self.recipe
        try:
            pixels = images.decode(path, recipe.channels)
            with Path(path).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except UnreadableImageError as error:
            return Picture(path, UNREADABLE, str(error).removeprefix(f"{shown(path)}: "))
        except OSError as error:
            return Picture(path, UNREADABLE, reason(error))
        height, width = pixels.shape[:2]
        picture = Picture(path, digest=digest, width=width, height=height)
        if min(height, width) < recipe.min_size:
            return dataclasses.replace(picture, problem=TOO_SMALL, detail=f"{width} x {height} pixels")
        try:
            region, face = self._cropper.find(pixels)
        except crops.NoFaceError:
            return dataclasses.replace(picture, problem=NO_FACE)
        side = min(region.shape)
        if side < recipe.min_size:
            return dataclasses.replace(picture, problem=TOO_SMALL, detail=f"{side} pixels around the face")
        square = crops.cut(pixels, region, recipe.size)
        key = hashlib.sha256(f"{digest} {recipe.identity}".encode()).hexdigest()[:12]
        kind = recipe.image_format.upper()
        images.save(self._folder / f"{key}{recipe.ending}", square, kind=kind)
        colour = images.with_channels(square, 3).mean((0, 1))
        return dataclasses.replace(
            picture,
            key=key,
            side=side,
            fingerprints=tuple({duplicates.fingerprint(each).hex(): None for each in (pixels, square)}),
            colour=tuple(round(float(value), 2) for value in colour),
            face=self._measured(square, face, region),
        )

    def _measured(self, square: np.ndarray, face: Face | None, region: crops.Region) -> tuple[float, ...] | None:
        if face is None and self.recipe.measure_faces and self._detector:
            face, side = self._detector.largest(square), self.recipe.size
            region = crops.Region(side / 2, side / 2, side, side)
        return face and tuple(round(value, 4) for value in crops.relative(face, region))
