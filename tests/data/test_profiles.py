"""Colours by hand: what a Display P3 photograph shows, and metadata that is large or damaged around good pixels."""

import importlib.util
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from ugatit_tf.data import images, profiles

SPEC = importlib.util.spec_from_file_location("icc", Path(__file__).parent / "icc.py")
icc = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(icc)

STORED, SHOWN = (224, 121, 90), (241, 115, 80)  # of Display P3, and in sRGB by ColorSync and by Chromium
P3 = icc.rgb(icc.DISPLAY_P3)


def file_of(picture, kind="PNG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return io.BytesIO(file.getvalue())


def png_with(*chunks, picture=None):
    """A PNG file with some chunks, as name and content, before its pixels."""
    data = file_of(picture or Image.new("RGB", (4, 4), STORED)).getvalue()
    inserted = b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return io.BytesIO(data[:33] + inserted + data[33:])


def near(pixels, colour, levels=1):
    rows = pixels.reshape(-1, pixels.shape[-1]).astype(int)
    np.testing.assert_allclose(rows, [colour] * len(rows), rtol=0, atol=levels)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_display_p3_becomes_srgb(kind):
    quality = {"quality": 100} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    file = file_of(Image.new("RGB", (16, 16), STORED), kind, icc_profile=P3, **quality)
    near(images.decode(file), SHOWN, 2)  # JPEG's own rounding adds one


def test_a_photograph_lies_upright_too():
    picture = Image.new("RGB", (2, 1), STORED)
    picture.putpixel((1, 0), (0, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = images.decode(file_of(picture, "TIFF", icc_profile=P3, exif=exif))
    assert upright.shape == (2, 1, 3)
    near(upright[:1], SHOWN)
    near(upright[1:], (0, 0, 0))


def test_transparency_and_palettes_keep_theirs():
    picture = Image.new("RGBA", (2, 1), (*STORED, 255))
    picture.putpixel((1, 0), (*STORED, 0))
    rgba = images.decode(file_of(picture, icc_profile=P3), 4)
    near(rgba[:, :1], (*SHOWN, 255))
    assert rgba[0, 1, 3] == 0
    near(images.decode(file_of(picture, icc_profile=P3))[:, 1:], (255, 255, 255))
    near(images.decode(file_of(picture.convert("RGB").quantize(2), icc_profile=P3)), SHOWN, 2)


def test_grey_has_profiles_of_its_own():
    # A power of 1: the light itself, of which 64 of 255 shows as 137 by sRGB's curve.
    linear = icc.grey(1.0)
    near(images.decode(file_of(Image.new("L", (2, 2), 64), icc_profile=linear)), (137,) * 3)
    near(images.decode(file_of(Image.new("L", (2, 2), 64), icc_profile=linear), 1), (137,))
    near(images.decode(file_of(Image.new("LA", (2, 2), (64, 255)), icc_profile=linear), 4), (137, 137, 137, 255))


@pytest.mark.parametrize(
    "profile",
    [
        icc.rgb(icc.SRGB),
        icc.grey(1.0),  # of another kind than the picture
        P3[:200],
        P3[:16] + b"Lab " + P3[20:],
        b"no profile",
        b"RGB " * 8,
    ],
    ids=["srgb", "grey", "cut", "lab", "text", "noise"],
)
def test_pixels_stay_as_they_are_by_srgb_and_by_what_is_no_profile_of_theirs(profile):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
    np.testing.assert_array_equal(images.decode(file_of(Image.fromarray(pixels), icc_profile=profile)), pixels)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"tEXt"])
def test_texts_may_be_of_any_size(name):
    packed = zlib.compress(b"prompt, " * 500_000)  # 4 MB, as picture generators write
    content = {
        b"zTXt": b"parameters\0\0" + packed,
        b"iTXt": b"parameters\0\1\0\0\0" + packed,
        b"tEXt": b"parameters\0" + bytes(4_000_000),
    }[name]
    file = png_with((name, content))
    with pytest.raises(ValueError, match="MAX_TEXT_CHUNK|too large"), Image.open(file) as image:
        if name == b"tEXt":  # this one Pillow takes
            raise ValueError("too large")
        image.load()
    file.seek(0)
    near(images.decode(file), STORED, 0)


def test_a_profile_may_be_large_and_still_counts():
    profile = icc.rgb(icc.DISPLAY_P3, np.random.default_rng(0).bytes(2_000_000))
    assert len(profile) > PngImagePlugin.MAX_TEXT_CHUNK
    near(images.decode(png_with((b"iCCP", b"P3\0\0" + zlib.compress(profile)))), SHOWN)


@pytest.mark.parametrize(
    "content",
    [b"", b"P3", b"P3\0\0broken", b"P3\0\0" + zlib.compress(P3)[:-9], b"P3\0\0" + zlib.compress(bytes(2**25))],
    ids=["empty", "name", "broken", "cut", "bomb"],
)
def test_a_damaged_profile_leaves_the_pixels(content):
    near(images.decode(png_with((b"iCCP", content))), STORED, 0)


def test_a_bomb_of_a_profile_takes_no_memory():
    data, profile = profiles.without_texts(png_with((b"iCCP", b"P3\0\0" + zlib.compress(bytes(2**28)))).getvalue())
    assert profile == b""
    assert b"iCCP" not in data


def test_files_that_end_early_are_still_refused():
    data = png_with((b"tEXt", b"a\0b")).getvalue()
    for length in (20, 40, len(data) - 30):
        with pytest.raises(images.UnreadableImageError):
            images.decode(io.BytesIO(data[:length]))


def test_damaged_exif_and_huge_comments_leave_the_pixels():
    picture = Image.new("RGB", (8, 8), STORED)
    near(images.decode(file_of(picture, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")), STORED, 0)
    jpeg = file_of(picture, "JPEG", quality=100, exif=b"Exif\0\0broken").getvalue()
    markers = b"".join(b"\xff\xe1\xff\xff" + b"http://ns.adobe.com/xmp/extension/\0" + bytes(65498) for _ in range(40))
    near(images.decode(io.BytesIO(jpeg[:2] + markers + jpeg[2:])), STORED, 2)
