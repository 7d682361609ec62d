"""Cuts the square that a network sees out of a picture of any shape, and pastes a square back. All phases share it.

A `Region` says which part of the picture becomes the square: it may be turned, as a face is, and it may reach beyond
the picture. Memory stays near the picture's own: the whole of a strip of 800 x 15,000 pixels is a square region of
675 MB, so large regions are resized in bands.
"""

import dataclasses
import math

import numpy as np
from PIL import Image

from ugatit_tf.config import Config
from ugatit_tf.data import faces, images
from ugatit_tf.data.faces import Face, FaceDetector
from ugatit_tf.data.image_set import ImageSet

_FEATHER = 0.1  # the width of the blend from a pasted region to its surroundings, as a share of the region's side
_WHITE = 255
_LARGE = 2  # a region of more than twice the picture's pixels is cut in bands
_BAND = 256  # rows or columns that are resized at a time
_WEIGHTED = {"RGBA": "RGBa"}  # colours weighted by their opacity: resizing would mix in those of transparent pixels


class NoFaceError(images.UnreadableImageError):
    """The picture shows no face, and the flags ask to leave such pictures out."""


@dataclasses.dataclass(frozen=True)
class Region:
    """A rectangle in a picture, in pixels. It may be turned, and may reach beyond the picture, where all is white.

    Attributes:
        x: the distance of the middle from the picture's left edge.
        y: the distance of the middle from the picture's top edge.
        width: the side that becomes the square's width.
        height: the side that becomes the square's height.
        angle: the rotation in degrees, clockwise.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """The height and the width in whole pixels."""
        return max(1, round(self.height)), max(1, round(self.width))

    @property
    def corner(self) -> tuple[int, int]:
        """The left and the top edge of an upright region in whole pixels."""
        height, width = self.shape
        return round(self.x - width / 2), round(self.y - height / 2)


@dataclasses.dataclass(frozen=True)
class Cropper:
    """Finds the region of a picture that becomes the square.

    Attributes:
        crop: "center", the largest square in the middle; "face", a square around the largest face, with level eyes;
            "none", the whole picture with white beside it; "squeeze", the whole picture, squeezed.
        face_margin: the room on each side of the face, as a share of the face's size; less near the picture's edges.
        no_face: "skip" leaves a picture without a face out; "center" crops it in the middle.
        detector: the face detector; only "face" needs one.
    """

    crop: str
    face_margin: float
    no_face: str
    detector: FaceDetector | None = None

    @classmethod
    def of(cls, config: Config, domain: str, default: str) -> "Cropper":
        """Returns the cropper that the flags ask for in a domain.

        Args:
            config: the configuration, which has a crop for each domain.
            domain: "A" or "B".
            default: the crop if the flags name none.

        Raises:
            UsageError: The crop needs a face detector, and none is installed.
        """
        crop = config.crop_of(domain) or default
        return cls(crop, config.face_margin, config.no_face, faces.detector() if crop == "face" else None)

    def find(self, picture: np.ndarray) -> tuple[Region, Face | None]:
        """Returns the region of uint8 `[H, W, C]`, and the face in it; None if no face was looked for or found.

        Raises:
            NoFaceError: The picture shows no face, and `no_face` is "skip".
        """
        height, width = picture.shape[:2]
        face = self.detector.largest(picture) if self.detector else None
        if face:
            return around(face, self.face_margin, height, width), face
        if self.crop == "face" and self.no_face == "skip":
            raise NoFaceError("no face found")
        sides = {"none": (max(height, width),) * 2, "squeeze": (width, height)}
        return Region(width / 2, height / 2, *sides.get(self.crop, (min(height, width),) * 2)), None


def cropped(config: Config, domain: str, image_set: ImageSet) -> ImageSet:
    """Returns an image set whose pictures are cropped as the flags ask, or squeezed if the flags name no crop.

    Raises:
        UsageError: The crop needs a face detector, and none is installed.
    """
    if not config.crop_of(domain):
        return image_set
    cropper = Cropper.of(config, domain, "squeeze")

    def read(index: int, side: int | None) -> np.ndarray:
        picture = image_set.read(index, None)
        try:
            region, _ = cropper.find(picture)
        except NoFaceError as error:
            raise NoFaceError(f"{image_set.place}/{image_set.names[index]}: {error}") from error
        return cut(picture, region, side or min(region.shape))

    return dataclasses.replace(image_set, read=read)


def around(face: Face, margin: float, height: int, width: int) -> Region:
    """Returns a square region around a face, turned as the face is.

    The square stays inside the picture, because white corners would be unlike all other pictures: it is moved, and made
    smaller as far as the face allows.

    Args:
        face: the face.
        margin: the room on each side of the face, as a share of the face's size.
        height: the picture's height.
        width: the picture's width.
    """
    slant = abs(math.cos(math.radians(face.angle))) + abs(math.sin(math.radians(face.angle)))
    side = max(face.size, min(face.size * (1 + 2 * margin), min(height, width) / slant))
    half = side * slant / 2  # half the side of the upright square that encloses the turned one
    x = min(max(face.x, half), width - half) if 2 * half <= width else width / 2
    y = min(max(face.y, half), height - half) if 2 * half <= height else height / 2
    return Region(x, y, side, side, face.angle)


def cut(picture: np.ndarray, region: Region, size: int) -> np.ndarray:
    """Cuts a region out of uint8 `[H, W, C]`; returns a square, uint8 `[size, size, C]`, white beyond the picture."""
    height, width = region.shape
    image = images.to_picture(picture)
    white = (_WHITE,) * picture.shape[-1]
    if region.angle:
        matrix = _turned(region.angle, (width / 2, height / 2), (region.x, region.y))
        image = image.transform(
            (width, height), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC, fillcolor=white
        )
    elif region.corner != (0, 0) or image.size != (width, height):
        if width * height > _LARGE * image.width * image.height:
            return images.to_pixels(_cut_in_bands(image, region, size, white))
        left, top = region.corner
        canvas = Image.new(image.mode, (width, height), white)
        canvas.paste(image, (-left, -top))
        image = canvas
    return images.resize(images.to_pixels(image), size)


def _cut_in_bands(image: Image.Image, region: Region, size: int, white: tuple[int, ...]) -> Image.Image:
    """Resizes a region to a square as `images.resize` does: first its width, band after band, then its height."""
    height, width = region.shape
    left, top = region.corner
    narrow = Image.new(_WEIGHTED.get(image.mode, image.mode), (size, height))
    for start in range(0, height, _BAND):
        band = Image.new(image.mode, (width, min(_BAND, height - start)), white)
        band.paste(image.crop((0, top + start, image.width, top + start + band.height)), (-left, 0))
        visible = _within(top + start, band.height, image.height)
        for edge in (slice(0, visible.start), slice(visible.stop, band.height)):  # crop fills with black
            band.paste(white, (0, edge.start, width, edge.stop))
        band = band.convert(narrow.mode).resize((size, band.height), Image.Resampling.BILINEAR)
        narrow.paste(band, (0, start))
    return narrow.resize((size, size), Image.Resampling.BILINEAR).convert(image.mode)


def _within(start: int, length: int, end: int) -> slice:
    """Returns which of `length` pixels from `start` on lie between 0 and `end`, counted from `start`."""
    return slice(min(max(0, -start), length), min(max(0, end - start), length))


def relative(face: Face, region: Region) -> tuple[float, float, float]:
    """Returns a face's middle (x, y) and size in the square of a region, as shares of the square's side."""
    x, y, size = face.x - region.x, face.y - region.y, face.size
    sine, cosine = math.sin(math.radians(region.angle)), math.cos(math.radians(region.angle))
    right, down = x * cosine + y * sine, y * cosine - x * sine
    return right / region.width + 0.5, down / region.height + 0.5, size / region.height


def enlarged(square: np.ndarray, region: Region, height: int, width: int) -> np.ndarray:
    """Resizes a square to its region's size, and cuts off the parts of the region beyond the picture's edges.

    Args:
        square: uint8 `[S, S, C]`.
        region: the region of the picture that became the square.
        height: the picture's height.
        width: the picture's width.

    Returns:
        uint8 `[h, w, C]`.
    """
    if region.angle:
        return images.to_pixels(_stretched(square, region))
    return images.to_pixels(_stretched(square, region, *_visible(region, height, width)))


def pasted(square: np.ndarray, region: Region, picture: np.ndarray) -> np.ndarray:
    """Returns a copy of a picture with a square pasted into a region; the edges blend with the surroundings.

    Args:
        square: uint8 `[S, S, C]`.
        region: the region of the picture that became the square.
        picture: uint8 `[H, W, C]`; it is not changed.

    Returns:
        uint8 `[H, W, C]`.
    """
    result = images.to_picture(picture).copy()
    height, width = region.shape
    if not region.angle:
        rows, columns = _visible(region, *picture.shape[:2])
        left, top = region.corner
        mask = Image.fromarray(_mask(region, *picture.shape[:2], rows, columns))
        result.paste(_stretched(square, region, rows, columns), (left + columns.start, top + rows.start), mask)
        return images.to_pixels(result)
    patch, mask = _stretched(square, region), Image.fromarray(_mask(region, *picture.shape[:2]))
    reach = math.hypot(height, width) / 2 + 1
    left, top = max(0, math.floor(region.x - reach)), max(0, math.floor(region.y - reach))
    right = min(picture.shape[1], math.ceil(region.x + reach))
    bottom = min(picture.shape[0], math.ceil(region.y + reach))
    matrix = _turned(-region.angle, (region.x - left, region.y - top), (width / 2, height / 2))
    patch, mask = (
        image.transform((right - left, bottom - top), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        for image in (patch, mask)
    )
    result.paste(patch, (left, top), mask)
    return images.to_pixels(result)


def _turned(angle: float, middle: tuple[float, float], source: tuple[float, float]) -> tuple[float, ...]:
    """Returns Pillow's matrix from output to source pixels: a rotation that takes the point `middle` to `source`."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    (x, y), (u, v) = middle, source
    return (cosine, -sine, u - cosine * x + sine * y, sine, cosine, v - sine * x - cosine * y)


def _visible(region: Region, height: int, width: int) -> tuple[slice, slice]:
    """Returns the rows and the columns of an upright region that lie inside the picture."""
    left, top = region.corner
    rows, columns = region.shape
    return _within(top, rows, height), _within(left, columns, width)


def _stretched(
    square: np.ndarray, region: Region, rows: slice = slice(None), columns: slice = slice(None)
) -> Image.Image:
    """Resizes a square to its region's size; returns the given rows and columns of the result.

    As Pillow does, it resizes the width before the height, so the result is the same with bands as without.
    """
    height, width = region.shape
    image = images.to_picture(square)
    top, bottom, _ = rows.indices(height)
    left, right, _ = columns.indices(width)
    if (right - left, bottom - top) == (width, height):
        return image.resize((width, height), Image.Resampling.BICUBIC)
    mode = _WEIGHTED.get(image.mode, image.mode)
    wide = image.convert(mode).resize((width, image.height), Image.Resampling.BICUBIC)
    result = Image.new(mode, (right - left, bottom - top))
    for start in range(left, right, _BAND):
        band = wide.crop((start, 0, min(start + _BAND, right), image.height))
        tall = band.resize((band.width, height), Image.Resampling.BICUBIC)
        result.paste(tall.crop((0, top, band.width, bottom)), (start - left, 0))
    return result.convert(image.mode)


def _mask(
    region: Region, height: int, width: int, rows: slice = slice(None), columns: slice = slice(None)
) -> np.ndarray:
    """Returns the opacity of the given rows and columns of a region, uint8 `[h, w]`.

    The opacity falls towards those edges of the region that lie inside the picture.
    """
    (down, across), (left, top), turned = region.shape, region.corner, region.angle != 0
    fall_across = _ramp(across, turned or left > 0, turned or left + across < width)[columns]
    fall_down = _ramp(down, turned or top > 0, turned or top + down < height)[rows]
    return np.rint(255 * np.minimum.outer(fall_down, fall_across)).astype(np.uint8)


def _ramp(count: int, start: bool, end: bool) -> np.ndarray:
    """Returns opacities from 0 to 1 along a side of `count` pixels; `start` and `end` say at which ends they fall."""
    middles = np.arange(count) + 0.5
    breadth = max(1.0, _FEATHER * count)
    rise = middles / breadth if start else np.ones(count)
    fall = (count - middles) / breadth if end else np.ones(count)
    return np.minimum(1, np.minimum(rise, fall))
