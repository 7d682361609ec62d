"""Image files with something wrong: refused, or decoded to something of the right shape; never a crash."""

import io

import numpy as np
import pytest
from PIL import Image

PROGRAM = """
import numpy as np
from ugatit_tf.data import images

def check(path):
    channels = (1, 3, 4)[int(path.name) % 3]
    try:
        own_size = images.decode(path, channels)
    except images.UnreadableImageError as error:
        assert str(error).startswith(f"{path}: ")
        return "refused"
    assert own_size.dtype == np.uint8 and own_size.ndim == 3 and own_size.size and own_size.shape[2] == channels
    resized = images.load(path, 16, channels)
    assert resized.dtype == np.uint8 and resized.shape == (16, 16, channels)
    return "decoded"
"""


def rgb():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (18, 22, 3), np.uint8))


def rgba():
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (18, 22, 4), np.uint8))


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


KINDS = {
    "JPEG": [
        (rgb(), {"exif": turned()}),
        (rgb(), {"progressive": True}),
        (rgb().convert("CMYK"), {}),
        (rgb().convert("L"), {}),
    ],
    "PNG": [(rgb(), {"exif": turned()}), (rgba(), {}), (rgb().convert("P"), {}), (rgb().convert("I;16"), {})],
    "BMP": [(rgb(), {}), (rgba(), {}), (rgb().convert("P"), {}), (rgb().convert("1"), {})],
    "GIF": [(rgb(), {}), (rgba(), {}), (rgb(), {"save_all": True, "append_images": [rgba()]})],
    "WEBP": [(rgb(), {}), (rgba(), {"lossless": True, "exif": turned()})],
    "TIFF": [
        (rgb(), {}),
        (rgba(), {"compression": "tiff_lzw"}),
        (rgb(), {"compression": "tiff_deflate", "exif": turned()}),
        (rgb(), {"compression": "jpeg"}),
        (rgb().convert("F"), {}),
    ],
}


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_damage_does_harm(kind, count, mutated, run_over):
    whole = []
    for picture, options in KINDS[kind]:
        file = io.BytesIO()
        picture.save(file, kind, **options)
        whole.append(file.getvalue())
    outcomes = run_over([*whole, *(mutated(whole[seed % len(whole)], seed) for seed in range(count))], PROGRAM)
    assert outcomes["decoded"] >= len(whole)
    assert outcomes["refused"] > 0
