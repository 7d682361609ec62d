"""Awkward files, as people have them, and what each has to be read as.

Most good ones show the same four quarters, red and green over blue and white, so that a picture that is flipped,
turned, inverted or taken for another mode shows. What a format cannot hold is said at its file.
"""

import dataclasses
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 200, 30), (30, 30, 200), (255, 255, 255)
QUARTERS = (RED, GREEN, BLUE, WHITE)
BLACK = (0, 0, 0)
LEVELS = (81, 130, 49, 255)  # 0.299 R + 0.587 G + 0.114 B
GREYS = tuple((level,) * 3 for level in LEVELS)
ORIENTATION = 0x0112


@dataclasses.dataclass(frozen=True)
class Case:
    """A file of the corpus.

    Attributes:
        name: of the file.
        quarters: its colours at the top left, top right, bottom left and bottom right; None where it cannot be read.
        reason: what the message says where it cannot be read.
        tolerance: in levels of 255.
    """

    name: str
    quarters: tuple | None = QUARTERS
    reason: str = ""
    tolerance: int = 0


def make(folder: Path) -> list[Case]:
    """Writes the corpus to an empty folder; returns what is to be found there.

    There are also links to the folder itself and to the one above, and a hidden folder, to be passed over.
    """
    cases = []
    for case, content in (*_colours(), *_orientations(), *_shapes(), *_names(), *_damaged(), *_strangers()):
        (folder / case.name).write_bytes(content)
        cases.append(case)
    (folder / "loop").symlink_to(folder)
    (folder / "up").symlink_to(folder.parent)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "target").write_bytes(_encoded(picture(), "PNG"))
    (folder / "empty folder.png").mkdir()
    (folder / "link.png").symlink_to(".hidden/target")
    (folder / "itself.png").symlink_to("itself.png")
    (folder / "nowhere.png").symlink_to("no such file")
    (folder / "endless.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    with (folder / "huge.png").open("wb") as file:
        file.truncate(3 * 10**9)  # takes no room
    (folder / "private.png").write_bytes(_encoded(picture(), "PNG"))
    (folder / "private.png").chmod(0)
    return [
        *cases,
        Case("link.png"),
        Case("itself.png", None, "Too many levels of symbolic links"),
        Case("nowhere.png", None, "No such file or directory"),
        Case("endless.png", None, "a pipe, socket or device"),
        Case("pipe.png", None, "a pipe, socket or device"),
        Case("huge.png", None, "a file of 3.0 GB"),
        Case("private.png") if os.geteuid() == 0 else Case("private.png", None, "Permission denied"),
    ]


def picture(colours: tuple = QUARTERS, height: int = 32, width: int = 48) -> np.ndarray:
    """Four quarters, uint8 `[height, width, channels of a colour]`."""
    quarters = np.array(colours, np.uint8).reshape(2, 2, -1)
    return quarters.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def _encoded(image: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image.squeeze())
    image.save(file, kind, **options)
    return file.getvalue()


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png(width: int, height: int, depth: int, colour: int, rows: list[bytes]) -> bytes:
    """A PNG file by hand, for what Pillow reads but does not write."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def _palette(colours: tuple = QUARTERS) -> Image.Image:
    image = Image.fromarray(picture(((0,), (1,), (2,), (3,))).squeeze(), "P")
    image.putpalette([value for colour in colours for value in colour])
    return image


def _colours() -> Iterator[tuple[Case, bytes]]:
    """Modes and depths."""
    cmyk = Image.fromarray(picture()).convert("CMYK")
    yield Case("cmyk.jpg", tolerance=10), _encoded(cmyk, "JPEG", quality=95)
    yield Case("cmyk.tif"), _encoded(cmyk, "TIFF")
    # A tenth of each ink and half of black: (255 - 25) * (255 - 128) / 255
    inks = Image.new("CMYK", (8, 8), (25, 25, 25, 128))
    yield Case("black ink.tif", ((115, 115, 115),) * 4, tolerance=1), _encoded(inks, "TIFF")
    yield Case("grey.jpg", GREYS, tolerance=4), _encoded(picture(LEVELS), "JPEG", quality=95)
    deep = picture(LEVELS).squeeze().astype(np.uint16) * 257
    yield Case("16 bit grey.png", GREYS), _encoded(deep, "PNG")
    yield Case("16 bit grey.tif", GREYS), _encoded(deep, "TIFF")
    big_endian = Image.frombytes("I;16B", (48, 32), deep.astype(">u2").tobytes())
    yield Case("16 bit, the other end first.tif", GREYS), _encoded(big_endian, "TIFF")
    rows = [row.tobytes() for row in (picture().astype(">u2") * 257)]
    yield Case("16 bit colour.png"), _png(48, 32, 16, 2, rows)
    yield Case("float.tif", GREYS), _encoded((deep / 65535).astype(np.float32), "TIFF")
    one = Image.fromarray(picture((0, 255, 255, 0)).squeeze()).convert("1")
    yield Case("1 bit.png", (BLACK, WHITE, WHITE, BLACK)), _encoded(one, "PNG")
    yield Case("lab.tif", (WHITE,) * 4, tolerance=1), _encoded(Image.new("LAB", (8, 8), (255, 128, 128)), "TIFF")
    yield Case("palette.png"), _encoded(_palette(), "PNG")
    yield Case("palette.bmp"), _encoded(_palette(), "BMP")
    clear = _palette((RED, GREEN, BLUE, BLACK))  # what is clear shows white, not its own colour
    yield Case("palette with transparency.png"), _encoded(clear, "PNG", transparency=3)
    yield Case("palette with alphas.png"), _encoded(clear, "PNG", transparency=b"\xff\xff\xff\x00")
    yield Case("transparent.gif"), _encoded(clear, "GIF", transparency=3)
    rgba = picture((*((*colour, 255) for colour in QUARTERS[:3]), (0, 0, 0, 0)))
    yield Case("transparent.png"), _encoded(rgba, "PNG")
    yield Case("transparent.webp"), _encoded(rgba, "WEBP", lossless=True)
    yield Case("transparent.tif"), _encoded(rgba, "TIFF")
    grey_alpha = picture(((81, 255), (130, 255), (49, 255), (0, 0)))
    yield Case("grey with transparency.png", GREYS), _encoded(Image.fromarray(grey_alpha, "LA"), "PNG")


def _orientations() -> Iterator[tuple[Case, bytes]]:
    """All eight EXIF orientations: in the table, where row 0 and column 0 of the file belong."""
    upright = picture()
    swapped = upright.transpose(1, 0, 2)
    stored = {
        1: upright,  # top, left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: swapped,  # left, top
        6: swapped[::-1],  # right, top
        7: swapped[::-1, ::-1],  # right, bottom
        8: swapped[:, ::-1],  # left, bottom
    }
    for orientation, pixels in stored.items():
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        jpeg = _encoded(pixels, "JPEG", quality=95, subsampling=0, exif=exif)
        yield Case(f"orientation {orientation}.jpg", tolerance=10), jpeg
        kind = ("png", "webp", "tiff")[orientation % 3]
        options = {"lossless": True} if kind == "webp" else {}
        yield Case(f"orientation {orientation}.{kind}"), _encoded(pixels, kind, exif=exif, **options)
    exif[ORIENTATION] = 9
    yield Case("orientation 9.png"), _encoded(upright, "PNG", exif=exif)
    broken = b"Exif\0\0II*\0\xff\xff\xff\xff"
    yield Case("damaged exif.jpg", tolerance=10), _encoded(upright, "JPEG", quality=95, subsampling=0, exif=broken)


def _shapes() -> Iterator[tuple[Case, bytes]]:
    """Sizes, frames, and endings that say something else."""
    lossy = {"quality": 95, "subsampling": 0}
    yield Case("1x1.png", (RED,) * 4), _png(1, 1, 8, 2, [bytes(RED)])
    yield Case("1x10000.png", (RED, RED, BLUE, BLUE)), _png(1, 10_000, 8, 2, [bytes(RED)] * 5000 + [bytes(BLUE)] * 5000)
    yield Case("10000x1.png", (RED, GREEN) * 2), _png(10_000, 1, 8, 2, [bytes(RED) * 5000 + bytes(GREEN) * 5000])
    first, second = _palette(), _palette((BLACK,) * 4)
    yield Case("animated.gif"), _encoded(first, "GIF", save_all=True, append_images=[second], duration=90)
    first, second = Image.fromarray(picture()), Image.new("RGB", (48, 32))
    frames = {"save_all": True, "append_images": [second]}
    yield Case("animated.webp"), _encoded(first, "WEBP", lossless=True, **frames)
    yield Case("animated.png"), _encoded(first, "PNG", **frames)
    yield Case("pages.tif"), _encoded(first, "TIFF", compression="tiff_lzw", **frames)
    yield Case("two pictures of a phone.jpg", tolerance=10), _encoded(first, "MPO", **lossy, **frames)
    yield Case("progressive.jpg", tolerance=10), _encoded(first, "JPEG", progressive=True, **lossy)
    yield Case("really a jpeg.png", tolerance=10), _encoded(first, "JPEG", **lossy)
    yield Case("really a png.jpeg"), _encoded(first, "PNG")
    yield Case("LOUD.JPG", tolerance=10), _encoded(first, "JPEG", **lossy)
    yield Case("with an archive behind.jpg", tolerance=10), _encoded(first, "JPEG", **lossy) + b"PK\3\4" + bytes(9999)
    bmp = _encoded(first, "BMP")
    rows = [bmp[start : start + 144] for start in range(54, len(bmp), 144)]
    upside_down = bmp[:22] + struct.pack("<i", -32) + bmp[26:54] + b"".join(reversed(rows))
    yield Case("top row first.bmp"), upside_down


def _names() -> Iterator[tuple[Case, bytes]]:
    """Good pictures under bad names."""
    names = [
        "with  spaces and\ttab",
        "'single' \"double\" `back`",
        "<script>alert(1)<script>",
        "<img src=x onerror=alert(1)>",
        '"><b onmouseover=alert(1)>',
        "javascript:alert(1)",
        "&lt;i&gt; & co",
        "100% #1 ?a=b",
        "%2e%2e%2f",
        "{{7*7}} ${x} $(touch executed) ;|>",
        "-rf",
        "\\..\\back",
        "셀카 사진",
        "caf\u00e9",  # one letter
        "cafe\u0301",  # two
        "\U0001f469\u200d\U0001f3a8",
        "two\nlines",
        "carriage\rreturn",
        "\x1b[31mred\x07",
        "right to left \u202egpj",
        "no text \udce9\udcff",
        "x" * 251,
    ]
    for name in names:
        yield Case(f"{name}.png"), _encoded(picture(), "PNG")


def _damaged() -> Iterator[tuple[Case, bytes]]:
    """Pictures that are not whole, or claim to be huge."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for kind in ("jpeg", "png", "bmp", "gif", "webp", "tiff"):
        whole = _encoded(noise, kind)
        yield Case(f"truncated.{kind}", None), whole[: len(whole) // 2]
    whole = bytearray(_encoded(noise, "PNG"))
    whole[len(whole) // 2] ^= 0xFF
    yield Case("one byte wrong.png", None), bytes(whole)
    yield Case("zero bytes.jpg", None, "the file is empty"), b""
    yield Case("header alone.png", None), b"\x89PNG\r\n\x1a\n"
    yield Case("no pixels.gif", None), b"GIF89a\1\0\1\0\0\0\0"
    yield Case("bomb.png", None, "decompression bomb"), _png(20_000, 20_000, 8, 0, [])
    screen = struct.pack("<HHBBB", 65_535, 65_535, 0, 0, 0)
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x44\x01\x00;"
    yield Case("bomb.gif", None, "decompression bomb"), b"GIF89a" + screen + frame


def _strangers() -> Iterator[tuple[Case, bytes]]:
    """What is no picture, or of a format that is not read."""
    icon = io.BytesIO()
    Image.fromarray(picture()).save(icon, "ICO")
    for name, content in {
        "text.jpg": b"not an image\n",
        "page.jpg": b"<!doctype html><script>alert(1)</script>",
        "drawing.png": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "program.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(executed) run\n",
        "paper.jpg": b"%PDF-1.7\n" + bytes(99),
        "archive.png": b"PK\3\4" + bytes(99),
        "phone.jpg": b"\0\0\0\x18ftypheic" + bytes(99),
        "film.gif": b"\0\0\0\x18ftypisom" + bytes(99),
        "layers.png": b"8BPS\0\1" + bytes(99),
        "icon.png": icon.getvalue(),
        "zeros.bmp": bytes(4096),
    }.items():
        yield Case(name, None, "not a JPEG, PNG, BMP, GIF, WebP, TIFF or AVIF image"), content
