"""Cuts the square that a network sees out of a picture of any shape, and pastes a square back. All phases share it.

A `Region` says which part of the picture becomes the square: it may be turned, as a face is, and it may reach beyond
the picture. Memory stays near the picture's own: the whole of a strip of 800 x 15,000 pixels is a square region of
675 MB, so large regions are resized in bands.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageChops

from ugatit_tf.config import KEEP, Config
from ugatit_tf.data import faces, images, regions
from ugatit_tf.data.content import around_content
from ugatit_tf.data.faces import Face, FaceDetector, PersonMask
from ugatit_tf.data.faces.mask import SIDE as MASK_SIDE
from ugatit_tf.data.faces.mask import on_ground, shows_person
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.regions import Region

_FEATHER = 0.1  # the width of the blend from a pasted region to its surroundings, as a share of the region's side
_BORDER = 0.1  # the width of the blend between two faces, as a share of a region's side
_WHITE = 255
_LARGE = 2  # a region of more than twice the picture's pixels is cut in bands
_BAND = 256  # rows or columns that are resized at a time
_WEIGHTED = {"RGBA": "RGBa"}  # colours weighted by their opacity: resizing would mix in those of transparent pixels


class NoFaceError(images.UnreadableImageError):
    """The picture shows no face, and the flags ask to leave such pictures out."""


class NoPersonError(images.UnreadableImageError):
    """Nothing in the square is a person, and the flags ask for another background, which would cover all of it."""


@dataclasses.dataclass(frozen=True)
class Cropper:
    """Finds the region of a picture that becomes the square, and makes the square.

    Attributes:
        crop: "center", the largest square in the middle; "face", a square around the largest face, with the eyes at
            their place; "content", a square around what differs from the colour of the picture's border; "none", the
            whole picture with white beside it; "squeeze", the whole picture, squeezed.
        face_margin: the room on each side of the face, as a share of the face's size.
        no_face: "skip" leaves a picture without a face out; "center" crops it in the middle.
        detector: the face detector; only "face" needs one.
        content_share: the longer side of the content, as a share of the square's side; only "content" needs it.
        background: KEEP, or the colour that takes the place of all that is no person.
        mask: the mask of a person; needed for another background, used for pasting.
    """

    crop: str
    face_margin: float
    no_face: str
    detector: FaceDetector | None = dataclasses.field(default=None, repr=False)
    content_share: float = Config.content_share
    background: str = KEEP
    mask: PersonMask | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def of(cls, config: Config, domain: str, default: str) -> "Cropper":
        """Returns the cropper that the flags ask for in a domain.

        Args:
            config: the configuration, which has a crop and a background for each domain.
            domain: "A" or "B".
            default: the crop if the flags name none.

        Raises:
            RunError: A network that finds faces or people is needed, and cannot be fetched or read.
        """
        crop, background = config.crop_of(domain) or default, config.background_of(domain) or KEEP
        return cls(
            crop,
            config.face_margin,
            config.no_face,
            faces.detector(config.assets) if crop == "face" else None,
            config.content_share,
            background,
            None if background == KEEP else faces.person_mask(config.assets),
        )

    def with_mask(self, assets: str) -> "Cropper":
        """Returns the cropper with a mask if it crops faces, so that translations are pasted without their scene.

        Args:
            assets: the folder of `--assets`.

        Raises:
            RunError: The mask cannot be fetched or read.
        """
        if self.mask or self.crop != "face":
            return self
        return dataclasses.replace(self, mask=faces.person_mask(assets))

    def find(self, picture: np.ndarray) -> tuple[Region, Face | None]:
        """Returns the region of uint8 `[H, W, C]`, and the face in it; None if no face was looked for or found.

        Raises:
            NoFaceError: The picture shows no face, and `no_face` is "skip".
        """
        face = self.detector.largest(picture) if self.detector else None
        return (self.around(face), face) if face else (self._without_face(picture), None)

    def find_all(self, picture: np.ndarray) -> list[tuple[Region, Face | None]]:
        """Returns the region of each face and the face, the largest first; without faces, what `find` returns.

        Raises:
            NoFaceError: The picture shows no face, and `no_face` is "skip".
        """
        found = self.detector.all(picture) if self.detector else []
        return [(self.around(face), face) for face in found] or [(self._without_face(picture), None)]

    def around(self, face: Face) -> Region:
        """Returns the region of a face."""
        return faces.around(face, self.face_margin)

    def square(self, picture: np.ndarray, region: Region, size: int) -> np.ndarray:
        """Cuts a region out of a picture, on the background that the flags ask for.

        Returns:
            uint8 `[size, size, C]`.

        Raises:
            NoPersonError: There is to be another background, and nothing in the region is a person.
        """
        if self.background == KEEP:
            return cut(picture, region, size)
        pixels, mask = self.masked(picture, region, size)
        if not shows_person(mask):
            raise NoPersonError("no person found")
        return self.on_background(pixels, mask, size)

    def masked(self, picture: np.ndarray, region: Region, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns a region's pixels, uint8 `[S, S, C]`, and its mask of a person, float32 `[S, S]`.

        S is the size, or more: the mask of fewer pixels would be coarse. What lies beyond the picture is no person.
        """
        pixels = cut(picture, region, max(size, MASK_SIDE))
        mask = self.mask(pixels)
        if region.is_exact:
            inside = regions.distances(region, *picture.shape[:2], len(pixels)) + 0.5
            mask = mask * np.clip(inside, 0, 1).astype(np.float32)
        return pixels, mask

    def on_background(self, pixels: np.ndarray, mask: np.ndarray, size: int) -> np.ndarray:
        """Returns what `masked` returned as the square, uint8 `[size, size, C]`."""
        pixels = pixels if self.background == KEEP else on_ground(pixels, mask, self.background)
        return images.resize(pixels, size)

    def paste_mask(self, picture: np.ndarray, region: Region, others: Sequence[Region]) -> np.ndarray | None:
        """Returns the part of a region that a translation is pasted into: the person, if a mask is at hand.

        Args:
            picture: uint8 `[H, W, C]`.
            region: the region.
            others: the regions of the other faces that are pasted; each place goes to the face that is nearest.

        Returns:
            float32 `[256, 256]`, 0 to 1; None: all of the region.
        """
        person = self.masked(picture, region, MASK_SIDE)[1] if self.mask else None
        return joined(person, region, others)

    def _without_face(self, picture: np.ndarray) -> Region:
        if self.crop == "face" and self.no_face == "skip":
            raise NoFaceError("no face found")
        height, width = picture.shape[:2]
        if self.crop == "content":
            content = around_content(picture, self.content_share)
            if content:
                return content
        sides = {"none": (max(height, width),) * 2, "squeeze": (width, height)}
        return Region(width / 2, height / 2, *sides.get(self.crop, (min(height, width),) * 2))


def joined(person: np.ndarray | None, region: Region, others: Sequence[Region]) -> np.ndarray | None:
    """Returns the part of a region to paste, of its mask of a person and of the places that other faces get.

    Args:
        person: float32 `[S, S]`; None: there is no mask. A mask without a person is left out.
        region: the region.
        others: the regions of the other faces that are pasted.
    """
    if person is not None and not shows_person(person):
        person = None
    if not others:
        return person
    size = MASK_SIDE if person is None else len(person)
    middles = (np.arange(size) + 0.5) / size
    x, y = region.to_picture(middles[np.newaxis], middles[:, np.newaxis])
    own = np.hypot(x - region.x, y - region.y) / region.width
    lead = np.min([np.hypot(x - other.x, y - other.y) / other.width for other in others], axis=0) - own
    share = np.clip(0.5 + lead / _BORDER, 0, 1).astype(np.float32)
    return share if person is None else share * person


def cropped(config: Config, domain: str, image_set: ImageSet) -> ImageSet:
    """Returns an image set whose pictures are cropped and masked as the flags ask; without a crop they are squeezed.

    Raises:
        RunError: A network that finds faces or people is needed, and cannot be fetched or read.
    """
    if not config.crop_of(domain) and config.background_of(domain) in ("", KEEP):
        return image_set
    cropper = Cropper.of(config, domain, "squeeze")

    def read(index: int, side: int | None) -> np.ndarray:
        picture = image_set.read(index, None)
        try:
            region, _ = cropper.find(picture)
            return cropper.square(picture, region, side or min(region.shape))
        except (NoFaceError, NoPersonError) as error:
            raise type(error)(f"{image_set.place}/{image_set.names[index]}: {error}") from error

    return dataclasses.replace(image_set, read=read)


def cut(picture: np.ndarray, region: Region, size: int) -> np.ndarray:
    """Cuts a region out of uint8 `[H, W, C]`; returns a square, uint8 `[size, size, C]`."""
    if region.is_exact:
        return regions.sample(picture, region, size)
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
    return (*region.to_square(face.x, face.y), face.size / region.height)


def enlarged(square: np.ndarray, region: Region, height: int, width: int) -> np.ndarray:
    """Resizes a square to its region's size, and cuts off the parts of an upright region beyond the picture's edges.

    Args:
        square: uint8 `[S, S, C]`.
        region: the region of the picture that became the square.
        height: the picture's height.
        width: the picture's width.

    Returns:
        uint8 `[h, w, C]`.
    """
    if region.angle or region.is_exact:
        return images.to_pixels(_stretched(square, region))
    return images.to_pixels(_stretched(square, region, *_visible(region, height, width)))


def pasted(square: np.ndarray, region: Region, picture: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Returns a copy of a picture with a square pasted into a region; the edges blend with the surroundings.

    Args:
        square: uint8 `[S, S, C]`.
        region: the region of the picture that became the square.
        picture: uint8 `[H, W, C]`; it is not changed.
        mask: the part of the square to paste, float32 `[M, M]`, 0 to 1; None: all of it.

    Returns:
        uint8 `[H, W, C]`.
    """
    result = images.to_picture(picture).copy()
    height, width = region.shape
    shares = None if mask is None else Image.fromarray(np.rint(255 * mask).astype(np.uint8))
    if not (region.angle or region.is_exact):
        rows, columns = _visible(region, *picture.shape[:2])
        left, top = region.corner
        opacity = Image.fromarray(_mask(region, *picture.shape[:2], rows, columns))
        if shares:
            opacity = ImageChops.multiply(opacity, _stretched(images.to_pixels(shares), region, rows, columns))
        result.paste(_stretched(square, region, rows, columns), (left + columns.start, top + rows.start), opacity)
        return images.to_pixels(result)
    patch, opacity = _stretched(square, region), Image.fromarray(_mask(region, *picture.shape[:2]))
    if shares:
        opacity = ImageChops.multiply(opacity, shares.resize(opacity.size, Image.Resampling.BILINEAR))
    reach = math.hypot(region.height, region.width) / 2 + 1
    left, top = max(0, math.floor(region.x - reach)), max(0, math.floor(region.y - reach))
    right = min(picture.shape[1], math.ceil(region.x + reach))
    bottom = min(picture.shape[0], math.ceil(region.y + reach))
    if right <= left or bottom <= top:  # a face on its way out of a video's frame
        return picture.copy()
    scale = (width / region.width, height / region.height) if region.is_exact else (1.0, 1.0)
    matrix = _turned(-region.angle, (region.x - left, region.y - top), (width / 2, height / 2), scale)
    patch, opacity = (
        image.transform((right - left, bottom - top), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        for image in (patch, opacity)
    )
    result.paste(patch, (left, top), opacity)
    return images.to_pixels(result)


def _turned(
    angle: float, middle: tuple[float, float], source: tuple[float, float], scale: tuple[float, float] = (1.0, 1.0)
) -> tuple[float, ...]:
    """Returns Pillow's matrix from output to source pixels: a rotation and a scale that take `middle` to `source`."""
    sine, cosine = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    (x, y), (u, v), (across, down) = middle, source, scale
    rows = (across * cosine, -across * sine), (down * sine, down * cosine)
    (a, b), (d, e) = rows
    return (a, b, u - a * x - b * y, d, e, v - d * x - e * y)


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
    (down, across), (left, top), turned = region.shape, region.corner, region.angle != 0 or region.is_exact
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
