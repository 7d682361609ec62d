"""Defines the demo data's faces, and draws their parameters from one distribution."""

import colorsys
import dataclasses

import numpy as np

RGB = tuple[float, float, float]

# Hue, saturation, value: black, brown, chestnut, blond, red, pink, violet, blue, teal.
_HAIR_COLOURS = (
    (0.65, 0.30, 0.24), (0.07, 0.60, 0.42), (0.05, 0.65, 0.62), (0.13, 0.55, 0.97), (0.02, 0.75, 0.85),
    (0.94, 0.42, 0.98), (0.76, 0.45, 0.78), (0.60, 0.60, 0.85), (0.48, 0.55, 0.75),
)  # fmt: skip
_SKIN_TONES = ((1.0, 0.87, 0.75), (0.95, 0.73, 0.54), (0.66, 0.43, 0.29))  # light, tan, dark


@dataclasses.dataclass(frozen=True)
class Face:
    """The parameters of a face, independent of the drawing's domain and size.

    Lengths are fractions of the picture's side. Colours are those of the cartoon, RGB in 0..1. Angles are in radians.
    Positions (u, v) in the head are in head units: (0, 0) is its centre, (1, 0) its right edge; v grows downwards.
    """

    centre_x: float
    centre_y: float
    scale: float  # half the head's width: the length of one head unit
    tilt: float
    skin: RGB
    hair: RGB
    eyes: RGB
    clothes: RGB
    backdrop: tuple[RGB, RGB]  # above and below the horizon
    horizon: tuple[float, float]  # the horizon's distance from the top at the picture's left and right edge
    hair_length: float  # where the hair ends, in head units: 0.3 is short, 2 reaches the shoulders
    fringe: float  # how far the fringe's locks reach down, in head units
    parting: float  # the direction in which the fringe is combed, -1 to 1
    smile: float  # 0 is a neutral mouth, 1 a broad smile
    light_angle: float  # 0 is frontal, positive comes from the right
    light_colour: RGB  # the factors by which the light multiplies colours, around 1
    texture_seed: int  # the seed of the photo's strands of hair, uneven backdrop and sensor noise


def sample_face(rng: np.random.Generator) -> Face:
    """Draws a face's parameters at random, from the distribution that all splits share; advances `rng`."""
    warmth, exposure = rng.uniform(-0.05, 0.05), rng.uniform(0.94, 1.06)
    long_hair, smiling = rng.random(2) < 0.5
    hue, saturation, value = _HAIR_COLOURS[rng.integers(len(_HAIR_COLOURS))] + rng.uniform(-0.03, 0.03, 3)
    tone = rng.uniform(0, len(_SKIN_TONES) - 1)
    # The colours of the backdrop's two halves lie on opposite sides of one grey. Instance norm subtracts a picture's
    # mean, and with it a colour that the whole backdrop shares; the difference of the halves stays visible.
    offset = rng.standard_normal(3)
    offset *= rng.uniform(0.2, 0.35) / np.linalg.norm(offset)
    grey, horizon, slope = rng.uniform(0.68, 0.74), rng.uniform(0.35, 0.6), rng.uniform(-0.2, 0.2)
    skin = [np.interp(tone, range(len(_SKIN_TONES)), channel) for channel in zip(*_SKIN_TONES, strict=True)]
    return Face(
        centre_x=0.5 + rng.uniform(-0.08, 0.08),
        centre_y=0.5 + rng.uniform(-0.06, 0.08),
        scale=0.27 * rng.uniform(0.85, 1.15),
        tilt=rng.uniform(-0.12, 0.12),
        skin=tuple(map(float, skin)),
        hair=colorsys.hsv_to_rgb(hue % 1, saturation, min(value, 1)),
        eyes=colorsys.hsv_to_rgb(rng.uniform(0, 0.75), rng.uniform(0.5, 0.8), rng.uniform(0.5, 0.85)),
        clothes=colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.7), rng.uniform(0.4, 1)),
        backdrop=tuple(tuple(np.clip(grey + side * offset, 0, 1).tolist()) for side in (1, -1)),
        horizon=(horizon - slope, horizon + slope),
        hair_length=rng.uniform(1.3, 2.1) if long_hair else rng.uniform(0.25, 0.6),
        fringe=rng.uniform(0.35, 0.6),
        parting=rng.uniform(-1, 1),
        smile=rng.uniform(0.6, 1) if smiling else rng.uniform(0, 0.25),
        light_angle=rng.uniform(-1, 1),
        light_colour=(exposure * (1 + warmth), exposure, exposure * (1 - warmth)),
        texture_seed=int(rng.integers(2**31)),
    )
