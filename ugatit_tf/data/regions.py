"""A square of a picture: where it lies, how much of it lies beyond the picture, and its pixels.

A browser computes the same squares, so everything here is simple to repeat: coordinates are in pixels from the
picture's left upper corner, a pixel's middle is at one half, and y points down. `sample` averages whole blocks of the
picture's pixels, reads the square at twice its size by bilinear interpolation, and averages blocks of 2 x 2. Pillow
rounds these means to the nearest level, halves up, and the interpolated values down.
"""

import dataclasses
import math

import numpy as np
from PIL import Image, ImageFilter

from ugatit_tf.data import images

WHITE, REFLECTION = "white", "reflection"
_BLUR = 32  # the reflection is blurred by a box of about a 16th of the square's side, twice


@dataclasses.dataclass(frozen=True)
class Region:
    """A rectangle in a picture, in pixels. It may be turned, and may reach beyond the picture.

    Attributes:
        x: the distance of the middle from the picture's left edge.
        y: the distance of the middle from the picture's top edge.
        width: the side that becomes the square's width.
        height: the side that becomes the square's height.
        angle: the rotation in degrees, clockwise.
        beyond: what is seen beyond the picture: WHITE, REFLECTION for the picture's blurred reflection, or a colour
            as "#rrggbb".
        is_exact: whether the edges lie at fractions of pixels, as those around a face do; otherwise the edges of an
            upright region are rounded to whole pixels.
    """

    x: float
    y: float
    width: float
    height: float
    angle: float = 0.0
    beyond: str = WHITE
    is_exact: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """The height and the width in whole pixels."""
        return max(1, round(self.height)), max(1, round(self.width))

    @property
    def corner(self) -> tuple[int, int]:
        """The left and the top edge of an upright region in whole pixels."""
        height, width = self.shape
        return round(self.x - width / 2), round(self.y - height / 2)

    def to_picture(self, right: float, down: float) -> tuple[float, float]:
        """Maps a place in the square, as shares of its sides, to pixels of the picture."""
        u, v = (right - 0.5) * self.width, (down - 0.5) * self.height
        sine, cosine = _sine_and_cosine(self.angle)
        return self.x + u * cosine - v * sine, self.y + u * sine + v * cosine

    def to_square(self, x: float, y: float) -> tuple[float, float]:
        """Maps pixels of the picture to a place in the square, as shares of its sides."""
        u, v = x - self.x, y - self.y
        sine, cosine = _sine_and_cosine(self.angle)
        return (u * cosine + v * sine) / self.width + 0.5, (v * cosine - u * sine) / self.height + 0.5


def invented(region: Region, height: int, width: int) -> float:
    """Returns the share of a region's area that lies beyond a picture of this height and width, 0 to 1."""
    corners = [region.to_picture(right, down) for right, down in ((0, 0), (1, 0), (1, 1), (0, 1))]
    for axis, limit in ((0, width), (1, height)):
        corners = _cut_off(corners, lambda point, axis=axis: point[axis])
        corners = _cut_off(corners, lambda point, axis=axis, limit=limit: limit - point[axis])
    pairs = zip(corners, corners[1:] + corners[:1], strict=True)
    visible = abs(sum(ax * by - bx * ay for (ax, ay), (bx, by) in pairs)) / 2
    return min(1.0, max(0.0, 1 - visible / (region.width * region.height)))


def sample(picture: np.ndarray, region: Region, size: int) -> np.ndarray:
    """Reads a square region; antialiased, and with memory near that of the result.

    Args:
        picture: uint8 `[H, W, C]` with C 1, 3 or 4.
        region: a square region, of any angle.
        size: the side of the result in pixels.

    Returns:
        uint8 `[size, size, C]`.
    """
    height, width = picture.shape[:2]
    channels = picture.shape[-1]
    scale = region.width / size  # pixels of the picture for one of the result
    factor = max(1, math.floor(scale))
    left, top, right, bottom = _bounds(region, factor)
    inside = (
        _limited(left, 0, width - 1) // factor * factor,
        _limited(top, 0, height - 1) // factor * factor,
        _limited(right, 1, width),
        _limited(bottom, 1, height),
    )
    shift_x, shift_y = inside[0], inside[1]
    small = images.to_picture(np.ascontiguousarray(picture[shift_y : inside[3], shift_x : inside[2]])).reduce(factor)
    if region.beyond == REFLECTION:
        pads = [
            math.ceil(max(0, length) / factor)
            for length in (inside[1] - top, bottom - inside[3], inside[0] - left, right - inside[2])
        ]
        if any(pads):
            pixels = np.pad(images.to_pixels(small), ((pads[0], pads[1]), (pads[2], pads[3]), (0, 0)), "symmetric")
            small = images.to_picture(pixels)
            shift_x, shift_y = shift_x - pads[2] * factor, shift_y - pads[0] * factor
    double = 2 * size
    sine, cosine = _sine_and_cosine(region.angle)
    step = region.width / double / factor
    x, y = region.to_picture(0, 0)
    matrix = (step * cosine, -step * sine, (x - shift_x) / factor, step * sine, step * cosine, (y - shift_y) / factor)
    fill = (0,) * channels if region.beyond == REFLECTION else colour_of(region.beyond, channels)
    square = small.transform(
        (double, double), Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=fill
    ).reduce(2)
    if region.beyond == REFLECTION and (left < 0 or top < 0 or right > width or bottom > height):
        square = _blurred_beyond(square, region, height, width, size)
    return images.to_pixels(square)


def colour_of(text: str, channels: int) -> tuple[int, ...]:
    """Returns a colour, "white" or "#rrggbb", as a pixel of 1, 3 or 4 channels; it is opaque."""
    red, green, blue = (255, 255, 255) if text == WHITE else bytes.fromhex(text.removeprefix("#"))
    if channels == 1:
        return (Image.new("RGB", (1, 1), (red, green, blue)).convert("L").getpixel((0, 0)),)
    return (red, green, blue, 255)[:channels]


def distances(region: Region, height: int, width: int, size: int) -> np.ndarray:
    """Returns how far each pixel of a square lies from the picture's nearest edge, in pixels of the square.

    Returns:
        float64 `[size, size]`, negative beyond the picture.
    """
    middles = (np.arange(size) + 0.5) / size
    x, y = region.to_picture(middles[np.newaxis], middles[:, np.newaxis])
    return np.minimum(np.minimum(x, width - x), np.minimum(y, height - y)) / (region.width / size)


def _blurred_beyond(square: Image.Image, region: Region, height: int, width: int, size: int) -> Image.Image:
    """Blurs what lies beyond the picture: fully from a 32nd of the side on, and less towards the picture's edge."""
    radius = max(1, size // _BLUR)
    blurred = square.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))
    weight = np.clip(-distances(region, height, width, size) / radius, 0, 1)
    mask = Image.fromarray(np.floor(255 * weight + 0.5).astype(np.uint8))
    return Image.composite(blurred, square, mask)


def _bounds(region: Region, margin: float) -> tuple[int, int, int, int]:
    """Returns the left, top, right and bottom of the upright box around a region, in whole pixels, with a margin."""
    corners = [region.to_picture(right, down) for right, down in ((0, 0), (1, 0), (1, 1), (0, 1))]
    xs, ys = zip(*corners, strict=True)
    return (
        math.floor(min(xs) - margin),
        math.floor(min(ys) - margin),
        math.ceil(max(xs) + margin),
        math.ceil(max(ys) + margin),
    )


def _limited(value: int, least: int, most: int) -> int:
    return min(max(value, least), most)


def _cut_off(corners: list[tuple[float, float]], inside: "object") -> list[tuple[float, float]]:
    """Returns the part of a polygon in which a linear function of the point is not negative."""
    result = []
    for index, point in enumerate(corners):
        before = corners[index - 1]
        was, now = inside(before), inside(point)
        if (was < 0) != (now < 0):
            share = was / (was - now)
            result.append(tuple(a + share * (b - a) for a, b in zip(before, point, strict=True)))
        if now >= 0:
            result.append(point)
    return result


def _sine_and_cosine(angle: float) -> tuple[float, float]:
    return math.sin(math.radians(angle)), math.cos(math.radians(angle))
