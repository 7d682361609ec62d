"""Good pixels are read whatever is around them, in the colours that their profile means."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from ugatit_tf.data import images, metadata

P3 = (224, 121, 90)
SRGB_OF_P3 = (241, 115, 80)
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)


def profile(primaries, curve):
    """A matrix profile: columns of XYZ at D50, and one curve for all channels, as ICC.1 lays it out."""

    def number(value):
        return struct.pack(">i", round(value * 65536))

    def xyz(values):
        return b"XYZ \0\0\0\0" + b"".join(map(number, values))

    tags = [(b"wtpt", xyz((0.9642, 1, 0.8249)))]
    tags += [(name, xyz(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)]
    tags += [(name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return packed(b"RGB ", tags)


def packed(space, tags):
    at, table, body = 128 + 4 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + b"\0" * (-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02400000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


# The curve of sRGB: x ** 2.4 above 0.04045, x / 12.92 below.
CURVE = b"para\0\0\0\0\0\3\0\0" + b"".join(
    struct.pack(">i", round(value * 65536)) for value in (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
)
# Display P3's red, green and blue, adapted to D50.
DISPLAY_P3 = profile([(0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)], CURVE)
SRGB = profile([(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)], CURVE)
LINEAR_GREY = packed(b"GRAY", [(b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)),
                               (b"kTRC", b"curv\0\0\0\0\0\0\0\0")])  # fmt: skip


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def decoded(data, channels=3):
    return images.decode(io.BytesIO(data), channels)


def with_chunk(data, name, content, *, is_intact=True):
    """A PNG file with one more chunk behind its header."""
    check = zlib.crc32(name + content) ^ (not is_intact)
    return data[:33] + struct.pack(">I", len(content)) + name + content + struct.pack(">I", check) + data[33:]


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_display_p3_becomes_srgb(kind, options, mode):
    picture = Image.new("RGB", (4, 4), P3).convert(mode)
    pixels = decoded(encoded(picture, kind, icc_profile=DISPLAY_P3, **options), len(mode))
    assert np.abs(pixels[..., :3].astype(int) - SRGB_OF_P3).max() <= 1  # two roundings
    assert (pixels[..., 3:] == 255).all()


def test_display_p3_of_jpeg_and_palettes_becomes_srgb_and_transparency_stays():
    jpeg = encoded(Image.new("RGB", (16, 16), P3), "JPEG", quality=100, subsampling=0, icc_profile=DISPLAY_P3)
    assert np.abs(decoded(jpeg).astype(int) - SRGB_OF_P3).max() <= 3  # JPEG's own rounding besides
    palette = Image.new("P", (2, 1))
    palette.putpalette([*P3, 0, 0, 0])
    palette.putpixel((1, 0), 1)
    pixels = decoded(encoded(palette, "PNG", icc_profile=DISPLAY_P3, transparency=1), 4)
    assert np.abs(pixels[0, 0].astype(int) - [*SRGB_OF_P3, 255]).max() <= 1
    assert pixels[0, 1, 3] == 0


@pytest.mark.parametrize("made", [SRGB, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_srgb_stays_bit_for_bit(made):
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(PIXELS), "PNG", icc_profile=made)), PIXELS)


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_profiles_count(mode):
    depth = np.full((3, 3), 55 * 257, np.uint16) if mode == "I;16" else np.full((3, 3), 55, np.uint8)
    picture = Image.fromarray(depth)
    picture = picture if mode == "I;16" else picture.convert(mode)
    # Linear light of 55 / 255 = 0.2157: 1.055 * 0.2157 ** (1 / 2.4) - 0.055 = 0.5018, of 255: 128.
    pixels = decoded(encoded(picture, "PNG", icc_profile=LINEAR_GREY))
    assert np.abs(pixels.astype(int) - 128).max() <= 1
    assert np.abs(decoded(encoded(picture, "PNG", icc_profile=LINEAR_GREY), 1).astype(int) - 128).max() <= 1


@pytest.mark.parametrize("made", [b"no profile", DISPLAY_P3[:200], LINEAR_GREY, b"\0" * 500])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_profile_that_does_not_suit_is_ignored(made, kind):
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(PIXELS), kind, icc_profile=made)), PIXELS)


def test_a_profile_of_rgb_leaves_cmyk_as_it_was():
    picture = Image.new("CMYK", (4, 4), (10, 60, 90, 20))
    expected = decoded(encoded(picture, "TIFF"))
    np.testing.assert_array_equal(decoded(encoded(picture, "TIFF", icc_profile=DISPLAY_P3)), expected)


@pytest.mark.parametrize("count", [2, 80])
def test_long_texts_spoil_no_picture(count):
    texts = PngInfo()
    for index in range(count):
        texts.add_text(f"workflow{index}", "x" * 2_000_000, zip=True)
        texts.add_itxt(f"prompt{index}", "y" * 2_000_000, zip=True)
    np.testing.assert_array_equal(decoded(encoded(Image.fromarray(PIXELS), "PNG", pnginfo=texts)), PIXELS)


def test_a_profile_of_2_mb_counts():
    noise = np.random.default_rng(0).integers(0, 256, 2_000_000).astype(np.uint8).tobytes()
    made = DISPLAY_P3 + noise
    made = struct.pack(">I", len(made)) + made[4:]
    pixels = decoded(encoded(Image.new("RGB", (4, 4), P3), "PNG", icc_profile=made))
    assert np.abs(pixels.astype(int) - SRGB_OF_P3).max() <= 1


def test_a_bomb_of_a_profile_is_not_inflated():
    bomb = b"bomb\0\0" + zlib.compress(bytes(2**24 + 1), 9)
    data = with_chunk(encoded(Image.fromarray(PIXELS), "PNG"), b"iCCP", bomb)
    np.testing.assert_array_equal(decoded(data), PIXELS)
    assert metadata.stripped(data)[1] == b""


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", b"tIME", b"gAMA", b"acTL"])
@pytest.mark.parametrize("is_intact", [True, False])
@pytest.mark.parametrize("content", [b"", b"a", b"a\0\1rubbish", b"\xff" * 40])
def test_damaged_metadata_spoils_no_png(name, is_intact, content):
    data = with_chunk(encoded(Image.fromarray(PIXELS), "PNG"), name, content, is_intact=is_intact)
    np.testing.assert_array_equal(decoded(data), PIXELS)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("marker", [0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"JFIF",
        b"Adobe",
        b"Exif\0\0II*\0rubbish",
        b"ICC_PROFILE\0\1\2rubbish",
        b"MPF\0II*\0",
        b"Photoshop 3.0\x008BIM\4\4",
        b"z" * 65000,
    ],
)
def test_damaged_metadata_spoils_no_jpeg(marker, content):
    data = encoded(Image.fromarray(PIXELS), "JPEG")
    spoilt = data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content + data[2:]
    np.testing.assert_array_equal(decoded(spoilt), decoded(data))


def test_orientation_is_read_beside_long_texts():
    exif, texts = Image.Exif(), PngInfo()
    exif[0x0112] = 3
    texts.add_text("workflow", "x" * 2_000_000, zip=True)
    data = encoded(Image.fromarray(PIXELS), "PNG", exif=exif, pnginfo=texts)
    np.testing.assert_array_equal(decoded(data), PIXELS[::-1, ::-1])


def test_results_say_that_they_are_srgb():
    assert Image.open(io.BytesIO(images.encode(PIXELS))).info["srgb"] == 0
