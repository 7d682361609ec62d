"""Removes texts and damaged metadata from image files, and converts pixels from their colour profile to sRGB.

Telephones often store photographs in Display P3; read as sRGB, such numbers give paler colours. Metadata may also be
damaged, or much larger than the picture; Pillow then refuses the file, although its pixels are good.
"""

import functools
import io
import itertools
import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_APP0, _COMMENT, _SCAN = 0xE0, 0xFE, 0xDA  # markers of a JPEG
_COMPLETE = {0: 14, 14: 12}  # the bytes of a complete segment of JFIF (APP0) and of Adobe (APP14)
_MOST_BYTES = 2**24  # the most bytes of an inflated profile; a printer's profile has 2 MB
_MOST_XMP = 2**20  # bytes of an XMP text, which may hold the orientation
_XMP = b"XML:com.adobe.xmp\0\0"  # begins an uncompressed XMP text
_SAME = 2  # a profile that changes each colour by at most so many levels counts as sRGB
_MODES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}


def stripped(data: bytes) -> tuple[bytes, bytes]:
    """Removes texts and damaged metadata, which can make Pillow refuse a good picture, from a PNG or JPEG file.

    Pixels, transparency, EXIF, short XMP and a JPEG's profile stay. Only a PNG's profile is inflated, up to 16 MB.

    Args:
        data: the bytes of the file; those of other formats are returned unchanged.

    Returns:
        The bytes of the file, and the profile of a PNG file, which is b"" for files without one and other formats.
    """
    if data.startswith(_SIGNATURE):
        return _stripped_png(data)
    return (_stripped_jpeg(data) if data.startswith(b"\xff\xd8\xff") else data), b""


def _stripped_png(data: bytes) -> tuple[bytes, bytes]:
    view = memoryview(data)
    parts, profile, kept, at = [], b"", 0, len(_SIGNATURE)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):  # the file is cut off: Pillow raises the error
            break
        content = view[at + 8 : end - 4]
        is_needed = not name[0] & 32 or name == b"tRNS"  # a capital first letter marks chunks that decoders need
        if not is_needed:
            is_intact = zlib.crc32(view[at + 4 : end - 4]) == int.from_bytes(view[end - 4 : end], "big")
            if name == b"iCCP" and is_intact:
                profile = _inflated(content)
            if not (is_intact and (name == b"eXIf" or _is_short_xmp(name, content))):
                parts.append(view[kept:at])
                kept = end
        at = end
        if name == b"IEND":
            break
    return (b"".join([*parts, view[kept:]]) if parts else data), profile


def _stripped_jpeg(data: bytes) -> bytes:
    view = memoryview(data)
    parts, kept, at = [], 0, 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker, end = data[at + 1], at + 2 + int.from_bytes(view[at + 2 : at + 4], "big")
        if marker == _SCAN or end > len(data):
            break
        content = view[at + 4 : end]
        is_metadata = _APP0 <= marker <= _APP0 + 15 or marker == _COMMENT
        if is_metadata and not _is_needed(marker - _APP0, content):
            parts.append(view[kept:at])
            kept = end
        at = end
    return b"".join([*parts, view[kept:]]) if parts else data


def _is_needed(number: int, content: memoryview) -> bool:
    """Returns whether an APP segment is EXIF, XMP or the profile, or a complete one of JFIF or Adobe."""
    if number in _COMPLETE:
        return len(content) >= _COMPLETE[number]
    return number == 1 or (number == 2 and bytes(content[:12]) == b"ICC_PROFILE\0")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts a picture of 8 bits from the colours of its ICC profile to sRGB; alpha stays.

    Returns:
        The picture in mode RGB or RGBA. The given picture is returned if the profile is sRGB, missing or damaged, or
        has other channels than the picture.
    """
    if not profile or len(profile) > _MOST_BYTES or image.mode == "LAB":
        return image
    mode = _MODES.get(image.mode, "RGB")
    transform = _transform(bytes(profile), mode)
    if transform is None:
        return image
    converted = ImageCms.applyTransform(image.convert(mode), transform)
    if image.has_transparency_data:
        converted.putalpha(image.convert("RGBA").getchannel("A"))
    return converted


@functools.lru_cache(maxsize=16)  # the pictures of one camera share a profile
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Returns the conversion from a profile to sRGB; None if colours stay the same, or the profile is damaged."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        if mode == "CMYK":
            return transform
        levels = range(0, 256, 17)
        colours = list(itertools.product(levels, repeat=3)) if mode == "RGB" else [(each,) * 3 for each in range(256)]
        before = np.array(colours, np.uint8)[np.newaxis]
        probe = Image.fromarray(before).convert(mode)
        after = np.asarray(ImageCms.applyTransform(probe, transform))
    except Exception:  # the profile comes from outside; a damaged one must not make the picture unreadable
        return None
    return None if np.abs(after.astype(int) - before).max() <= _SAME else transform


def _inflated(content: memoryview) -> bytes:
    """Returns the profile of an iCCP chunk: its name, a zero, the method (zero), and the compressed profile."""
    _, _, rest = bytes(content).partition(b"\0")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], _MOST_BYTES)
    except zlib.error:
        return b""
    return profile if inflater.eof else b""


def _is_short_xmp(name: bytes, content: memoryview) -> bool:
    return name == b"iTXt" and len(content) <= _MOST_XMP and bytes(content[: len(_XMP)]) == _XMP
