"""Draws a face of the demo data as a flat cartoon, and as a soft photograph.

Both drawings have the same shapes, and one rule connects their colours: a `Face` has the bright colours of the cartoon,
and `_muted` computes from each the colour that the camera sees before light and shadow. So each drawing can be
translated into the other.
"""

import math

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from ugatit_tf.data.demo.faces import RGB, Face
from ugatit_tf.data.demo.shapes import INK, WHITE, Pen, blend, crescent, ellipse, fringe, mouth, paint_regions, shade

_EYE_U = 0.42  # the distance of each eye from the middle of the head, in head units
_CHIN_SHADOW = 0.82  # the neck's brightness relative to the face
_MINIMUM_RASTER = 128  # photos below this side are drawn larger and reduced, so that fine texture does not alias


def draw_cartoon(face: Face, size: int) -> np.ndarray:
    """Draws a face as a flat cartoon with dark outlines and large eyes.

    Args:
        face: what to draw.
        size: side of the picture in pixels.

    Returns:
        The picture, uint8 [size, size, 3].
    """
    pen = Pen(face, size, face.backdrop)
    paint_regions(pen, face.skin, shade(face.skin, _CHIN_SHADOW), face.hair, face.clothes, outlined=True)
    for side in (-1, 1):
        pen.fill(ellipse(side * 0.58, 0.55, 0.2, 0.1), blend(face.skin, (1.0, 0.45, 0.45), 0.4))
        _cartoon_eye(pen, side)
    pen.stroke(np.array([(0.0, 0.46), (0.05, 0.52), (-0.02, 0.54)]), 0.04, shade(face.skin, 0.6))
    if face.smile > 0.5:
        pen.outline(np.concatenate([mouth(face, 0.24), ellipse(0, 0.72, 0.2, 0.16, (0, 1))]), (0.85, 0.3, 0.33))
    else:
        pen.stroke(mouth(face, 0.2), 0.06, INK)
    pen.outline(fringe(face), face.hair)
    pen.fill(crescent(0, -0.72, 0.75, 0.35, 0.17), blend(face.hair, WHITE, 0.45))
    return np.asarray(pen.picture())


def _cartoon_eye(pen: Pen, side: int) -> None:
    u, iris = _EYE_U * side, pen.face.eyes
    pen.fill(ellipse(u, 0.14, 0.26, 0.3), WHITE)
    pen.fill(ellipse(u, 0.16, 0.2, 0.27), shade(iris, 0.45))
    pen.fill(ellipse(u, 0.24, 0.16, 0.18), iris)
    pen.fill(ellipse(u, 0.15, 0.09, 0.13), INK)
    pen.fill(ellipse(u - 0.07, 0.03, 0.075, 0.09), WHITE)
    pen.fill(ellipse(u + 0.08, 0.29, 0.04, 0.05), WHITE)
    pen.fill(crescent(u, 0.12, 0.31, 0.36, 0.24), INK)
    pen.stroke(ellipse(u, 0.14, 0.26, 0.3, (0.3, 0.7)), 0.03, INK)
    pen.stroke(ellipse(u + 0.02 * side, -0.18, 0.24, 0.14, (1.2, 1.8)), 0.05, INK)


def draw_photo(face: Face, size: int) -> np.ndarray:
    """Draws a face as a softly lit photograph: shaded skin, strands of hair, uneven backdrop, sensor noise.

    Args:
        face: what to draw.
        size: side of the picture in pixels.

    Returns:
        The picture, uint8 [size, size, 3].
    """
    raster = size * math.ceil(_MINIMUM_RASTER / size)
    blur = ImageFilter.GaussianBlur(0.005 * raster)
    regions = _photo_regions(face, raster)
    albedo = np.asarray(_photo_albedo(face, raster, regions).filter(blur), np.float32) / 255
    weights = np.asarray(regions.filter(blur), np.float32)[..., None] / 255  # [H, W, 3, 1]
    clothes, skin, hair = weights[:, :, 0], weights[:, :, 1], weights[:, :, 2]
    rng = np.random.default_rng(face.texture_seed)
    u, v = _head_coordinates(face, raster)
    # The backdrop is out of focus and uneven.
    gain = (1 + 0.03 * _noise(rng, 5, raster) + 0.07 * _noise(rng, 4, raster)[..., :1]) * (1 - clothes - skin - hair)
    gain += clothes * _lambert(face, u / 2.2, v * 0)[..., None]  # shoulders bend sideways only
    # Skin lets red light through, so its shadows, relative to the full light of about 1.2, are warm.
    lit = _skin_gain(face, u, v) * _hair_shadow(face, hair) / 1.2
    gain += skin * 1.25 * lit[..., None] ** np.float32((0.65, 1, 1.15))
    gain += hair * _hair_gain(face, rng, u, v)[..., None]
    picture = albedo * gain * np.float32(face.light_colour) + 0.015 * _noise(rng, _MINIMUM_RASTER, raster)
    picture = Image.fromarray(np.uint8(np.clip(255 * picture + 0.5, 0, 255)))
    return np.asarray(picture.reduce(raster // size))


def _photo_albedo(face: Face, size: int, regions: Image.Image) -> Image.Image:
    muted_backdrop = tuple(map(_muted, face.backdrop))
    skin, hair, lips = _muted(face.skin), _muted(face.hair), _muted(blend(face.skin, (0.8, 0.25, 0.3), 0.5))
    dark = shade(skin, 0.35)
    pen = Pen(face, size, muted_backdrop)
    paint_regions(pen, skin, shade(skin, _CHIN_SHADOW), hair, _muted(face.clothes))
    for side in (-1, 1):
        u = _EYE_U * side
        pen.fill(ellipse(u, 0.14, 0.21, 0.105), _muted(WHITE))
        pen.fill(ellipse(u, 0.135, 0.1, 0.1), shade(_muted(face.eyes), 0.8))
        pen.fill(ellipse(u, 0.135, 0.05, 0.05), shade(INK, 0.5))
        pen.fill(ellipse(u - 0.04, 0.1, 0.025, 0.025), WHITE)
        pen.stroke(ellipse(u, 0.15, 0.22, 0.13, (1.05, 1.95)), 0.05, dark)
        pen.stroke(ellipse(u, -0.05, 0.27, 0.14, (1.15, 1.85)), 0.08, blend(hair, dark, 0.6))
        pen.fill(ellipse(0.09 * side, 0.5, 0.04, 0.02), shade(skin, 0.55))
    line = mouth(face, 0.27)
    pen.stroke(line + (0, 0.03), 0.12, lips)
    pen.stroke(line, 0.03, shade(lips, 0.5))
    pen.fill(fringe(face), hair)
    # The backdrop is out of focus, so its halves blend.
    backdrop = Pen(face, size, muted_backdrop).picture().filter(ImageFilter.GaussianBlur(0.06 * size))
    somebody = Image.fromarray(np.asarray(regions).max(-1))
    return Image.composite(pen.picture(), backdrop, somebody)


def _photo_regions(face: Face, size: int) -> Image.Image:
    """Paints each visible region in its own channel, clothes, skin and hair, on black."""
    clothes, skin, hair = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    pen = Pen(face, size, ((0, 0, 0), (0, 0, 0)))
    paint_regions(pen, skin, skin, hair, clothes)
    pen.fill(fringe(face), hair)
    return pen.picture()


def _head_coordinates(face: Face, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the head units u and v of each pixel's centre, float32 `[size, size]` each."""
    places = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = (places - face.centre_x)[None, :] / face.scale, (places - face.centre_y)[:, None] / face.scale
    cos, sin = math.cos(face.tilt), math.sin(face.tilt)
    return x * cos + y * sin, y * cos - x * sin


def _noise(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    """Returns smooth colour noise of about unit deviation, `[size, size, 3]`, which is alike at every size."""
    lattice = np.uint8(np.clip(128 + 40 * rng.standard_normal((cells, cells, 3), np.float32), 0, 255))
    enlarged = Image.fromarray(lattice).resize((size, size), Image.Resampling.BICUBIC)
    return (np.asarray(enlarged, np.float32) - 128) / 40


def _bump(u: np.ndarray, v: np.ndarray, at: tuple[float, float], radii: tuple[float, float]) -> np.ndarray:
    """Returns a Gaussian of height 1 over the points (u, v)."""
    return np.exp(-(((u - at[0]) / radii[0]) ** 2) - ((v - at[1]) / radii[1]) ** 2)


def _lambert(face: Face, slope_u: np.ndarray, slope_v: np.ndarray) -> np.ndarray:
    """Returns the light on a surface with a given normal: ambient light, and a soft lamp from above and the side."""
    facing = np.sqrt(np.maximum(1 - slope_u**2 - slope_v**2, 0.02))
    light = np.array([0.75 * math.sin(face.light_angle), -0.4, 0.75])
    light = np.float32(light / np.linalg.norm(light))
    return 0.6 + 0.62 * np.maximum(slope_u * light[0] + slope_v * light[1] + facing * light[2], 0)


def _skin_gain(face: Face, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Returns the light on the head: an ellipsoid with Gaussian bumps for nose, cheeks, eye sockets and chin."""
    slope_u, slope_v = u / 1.15, v / 1.4
    # Each bump has a centre (u, v), radii (u, v) and a height.
    relief = [(0, 0.25, 0.11, 0.3, 0.08), (0, 0.42, 0.15, 0.11, 0.06), (0, 0.95, 0.25, 0.15, 0.04)]
    for side in (-1, 1):
        relief += [(_EYE_U * side, 0.1, 0.28, 0.18, -0.05), (0.52 * side, 0.45, 0.3, 0.25, 0.05)]
    for at_u, at_v, ru, rv, height in relief:
        bump = height * _bump(u, v, (at_u, at_v), (ru, rv))
        slope_u = slope_u + 2 * (u - at_u) / ru**2 * bump
        slope_v = slope_v + 2 * (v - at_v) / rv**2 * bump
    return _lambert(face, slope_u, slope_v)


def _hair_gain(face: Face, rng: np.random.Generator, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Returns the light on the hair: strands that fan out from above the crown, and a band of gloss."""
    strands = rng.uniform(-1, 1, 120)
    fan = np.arctan2(u, v + 2.6)
    texture = np.interp(fan * (1 + 0.04 * np.sin(2 * v)), np.linspace(-1.2, 1.2, len(strands)), strands)
    gloss = _bump(u, v + 0.06 * texture, (0.5 * math.sin(face.light_angle), -0.72), (0.8, 0.16))
    return _lambert(face, u / 1.5, v / 2.2) * (0.95 + 0.22 * texture.astype(np.float32)) + 0.45 * gloss


def _hair_shadow(face: Face, hair: np.ndarray) -> np.ndarray:
    """Returns the share of light that the hair's soft shadow leaves, `[H, W]`, from the hair's weights, `[H, W, 1]`."""
    reach = 0.08 * face.scale * len(hair)
    mask = Image.fromarray(np.uint8(255 * hair[..., 0])).filter(ImageFilter.GaussianBlur(reach))
    moved = ImageChops.offset(mask, round(-reach * math.sin(face.light_angle)), round(1.5 * reach))
    return 1 - 0.3 / 255 * np.asarray(moved, np.float32)


def _muted(colour: RGB) -> RGB:
    """Returns the colour that the camera sees for a cartoon's colour: darker, greyer, with less contrast."""
    return shade(blend(colour, (sum(colour) / 3 + 0.1,) * 3, 0.3), 0.66)
