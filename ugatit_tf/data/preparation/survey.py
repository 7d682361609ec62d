"""Surveys a picture for a dataset: reads it, measures it, and writes its square."""

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
_READING = 2  # the version of how pictures are read; since version 2, profiles are converted to sRGB


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings of a preparation.

    Attributes:
        inputs: the folders of pictures by domain, "A" and "B".
        size: the side of the squares in pixels.
        min_size: the least side of a picture, and of a square around a face; smaller ones are dropped.
        test_share: the share of each domain that is for testing.
        test_max: the largest number of files of a domain that are for testing.
        image_format: "png" or "jpeg".
        near_duplicates: "drop" or "keep": what happens to a picture that looks the same as a larger one.
    """

    inputs: Mapping[str, Path]
    size: int
    min_size: int
    test_share: float
    test_max: int
    image_format: str
    near_duplicates: str = "drop"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """All settings that decide how a picture of a domain becomes a square; part of the key of each square."""

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
        """The ending of the squares' files."""
        return images.ENDINGS[self.image_format]

    @functools.cached_property
    def identity(self) -> str:
        """A hash of the recipe and of the version of how pictures are read."""
        facts = dataclasses.asdict(self) | {"reading": _READING}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True, slots=True)  # slots save memory: there may be a hundred thousand pictures
class Picture:
    """The survey of a file.

    Attributes:
        path: the path of the file.
        problem: the reason why it cannot be used: UNREADABLE, TOO_SMALL or NO_FACE; "" if it can.
        detail: the details of the problem, in words.
        digest: the SHA-256 of the file's bytes, hexadecimal.
        key: the name of its square: a hash of the digest and the recipe.
        width: the width of the upright picture in pixels.
        height: the height of the upright picture in pixels.
        side: the shorter side, in pixels, of the region that became the square.
        fingerprints: the fingerprints (see `duplicates`) of the picture and, if it differs, of the square, hexadecimal.
        mirrored: the fingerprints of their mirror images, in the same order.
        colour: the square's mean red, green and blue, 0 to 255.
        face: the face's middle (x, y) and size in the square, as shares of its side; None if no face was looked for or
            found.
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
    mirrored: tuple[str, ...] = ()
    colour: tuple[float, ...] = ()
    face: tuple[float, ...] | None = None


class Surveyor:
    """Makes squares by a recipe, in a folder that exists. Several threads may call it.

    Args:
        config: the configuration, which has the crop and the channels.
        plan: the settings of the preparation.
        domain: "A" or "B".
        folder: the folder of the squares, KEY.png or KEY.jpg.
        measure_faces: whether to look for faces in squares that are not cropped around one.

    Attributes:
        recipe: the recipe that follows from the arguments.

    Raises:
        UsageError: A face detector is needed, and none is installed.
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
        """Surveys a file, and writes its square if the picture can be used.

        Raises:
            RunError: The square cannot be written.
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
        # A dictionary, as the square may look the same as the picture.
        prints = {
            duplicates.fingerprint(each).hex(): duplicates.fingerprint(np.ascontiguousarray(each[:, ::-1])).hex()
            for each in (pixels, square)
        }
        return dataclasses.replace(
            picture,
            key=key,
            side=side,
            fingerprints=tuple(prints),
            mirrored=tuple(prints.values()),
            colour=tuple(round(float(value), 2) for value in colour),
            face=self._measured(square, face, region),
        )

    def _measured(self, square: np.ndarray, face: Face | None, region: crops.Region) -> tuple[float, ...] | None:
        """Returns the place and size of the face in a square: the given face of the picture, or else one found here."""
        if face is None and self.recipe.measure_faces and self._detector:
            face, side = self._detector.largest(square), self.recipe.size
            region = crops.Region(side / 2, side / 2, side, side)
        return face and tuple(round(value, 4) for value in crops.relative(face, region))
