"""Surveys a picture for a dataset: reads it, measures it, and writes its square."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ugatit_tf.config import KEEP, Config
from ugatit_tf.data import crops, faces, images, regions
from ugatit_tf.data.crops import Cropper
from ugatit_tf.data.faces import Face
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.data.preparation import duplicates, ground
from ugatit_tf.data.regions import Region
from ugatit_tf.errors import reason, shown

UNREADABLE, TOO_SMALL, NO_FACE = "unreadable", "too small", "no face"
NO_PERSON, INVENTED = "no person", "too near the edge"
_READING = 2  # the version of how pictures are read; since version 2, profiles are converted to sRGB
_CROPPING = 2  # the version of how faces are cropped; since version 2, their eyes are at one place
_MOST_INVENTED = 0.2  # of a square: more of it beyond the picture would teach the network what no camera saw


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
    content_share: float = Config.content_share
    background: str = KEEP

    @property
    def ending(self) -> str:
        """The ending of the squares' files."""
        return images.ENDINGS[self.image_format]

    @functools.cached_property
    def identity(self) -> str:
        """A hash of the recipe and of the version of how pictures are read."""
        facts = dataclasses.asdict(self) | {"reading": _READING}
        if self.crop == "face" or self.measure_faces:
            facts["cropping"] = _CROPPING
        for name, value in (("content_share", Config.content_share), ("background", KEEP)):
            if facts[name] == value:  # squares of earlier versions, which lacked these flags, are the same
                del facts[name]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True, slots=True)  # slots save memory: there may be a hundred thousand pictures
class Picture:
    """The survey of a file.

    Attributes:
        path: the path of the file.
        problem: the reason why it cannot be used: UNREADABLE, TOO_SMALL, NO_FACE, NO_PERSON or INVENTED; "" if it can.
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
        ground: the share of the square's pixels that are like its border; None if an earlier version surveyed it.
        content: the larger side of the rest, as a share of the square's side; None where the border shows a scene.
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
    ground: float | None = None
    content: float | None = None


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
        RunError: A network that finds faces or people is needed, and cannot be fetched or read.
    """

    def __init__(self, config: Config, plan: Plan, domain: str, folder: Path, *, measure_faces: bool) -> None:
        self._cropper = Cropper.of(config, domain, "center")
        self._detector = self._cropper.detector or (faces.detector(config.assets) if measure_faces else None)
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
            self._cropper.content_share,
            self._cropper.background,
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
            problem, detail = self._problem(region, face, height, width)
            if problem:
                return dataclasses.replace(picture, problem=problem, detail=detail)
            square = self._cropper.square(pixels, region, recipe.size)
        except (crops.NoFaceError, crops.NoPersonError) as error:
            problem = NO_FACE if isinstance(error, crops.NoFaceError) else NO_PERSON
            return dataclasses.replace(picture, problem=problem)
        key = hashlib.sha256(f"{digest} {recipe.identity}".encode()).hexdigest()[:12]
        kind = recipe.image_format.upper()
        images.save(self._folder / f"{key}{recipe.ending}", square, kind=kind)
        colour = images.with_channels(square, 3).mean((0, 1))
        share, content = ground.measure(square)
        # A dictionary, as the square may look the same as the picture.
        prints = dict(duplicates.with_mirrored(each) for each in (pixels, square))
        return dataclasses.replace(
            picture,
            key=key,
            side=min(region.shape),
            fingerprints=tuple(each.hex() for each in prints),
            mirrored=tuple(each.hex() for each in prints.values()),
            colour=tuple(round(float(value), 2) for value in colour),
            face=self._measured(square, face, region),
            ground=round(share, 4),
            content=None if content is None else round(content, 4),
        )

    def _problem(self, region: Region, face: Face | None, height: int, width: int) -> tuple[str, str]:
        """Returns why a region of a picture of this height and width cannot be used, and the details; "" if it can."""
        side = min(region.shape)
        if side < self.recipe.min_size:
            return TOO_SMALL, f"{side} pixels around the face"
        beyond = regions.invented(region, height, width)
        if face and beyond > _MOST_INVENTED:
            return INVENTED, f"{beyond:.0%} of the square would lie beyond the picture"
        return "", ""

    def _measured(self, square: np.ndarray, face: Face | None, region: Region) -> tuple[float, ...] | None:
        """Returns the place and size of the face in a square: the given face of the picture, or else one found here."""
        if face is None and self.recipe.measure_faces and self._detector:
            face, side = self._detector.largest(square), self.recipe.size
            region = Region(side / 2, side / 2, side, side)
        return face and tuple(round(value, 4) for value in crops.relative(face, region))
