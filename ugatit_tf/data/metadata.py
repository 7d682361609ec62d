"""What a picture's file holds beside its pixels: texts, which are passed over, and the profile of its colours.

A telephone's photograph is often in Display P3: its numbers, taken for sRGB, show paler colours. Metadata may also be
much larger than the picture, or damaged; neither makes good pixels unreadable.
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
_COMPLETE = {0: 14, 14: 12}  # bytes of JFIF's and of Adobe's segment
_MOST_BYTES = 2**24  # of a profile, inflated; those of printers have 2 MB
_MOST_XMP = 2**20  # bytes of a text that may hold the orientation
_XMP = b"XML:com.adobe.xmp\0\0"  # one that is not compressed
_SAME = 2  # levels: a profile that changes no colour by more counts as sRGB, and its pictures stay as they are
_MODES = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}


def stripped(data: bytes) -> tuple[bytes, bytes]:
    """Removes texts and damaged metadata from a PNG or JPEG file, for which Pillow might refuse a good picture.

    Pixels, transparency, EXIF, short XMP and a JPEG's profile stay. Only a PNG's profile is inflated, up to 16 MB.

    Args:
        data: a file; any other format is left as it is.

    Returns:
        The file, and the profile of a PNG file; b"" if it has none.
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
        if end > len(data):  # cut off: Pillow tells of it
            break
        content = view[at + 8 : end - 4]
        is_needed = not name[0] & 32 or name == b"tRNS"  # the letter's case marks what a decoder must know
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
    """Whether an APP segment is needed: EXIF, XMP, the profile, and complete ones of JFIF and Adobe."""
    if number in _COMPLETE:
        return len(content) >= _COMPLETE[number]
    return number == 1 or (number == 2 and bytes(content[:12]) == b"ICC_PROFILE\0")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts a picture of 8 bits from the colours of its ICC profile to sRGB; alpha stays.

    Returns:
        The picture in mode RGB or RGBA; the same picture if the profile is sRGB, missing, damaged, or of other channels
        than the picture.
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


@functools.lru_cache(maxsize=16)  # a camera's pictures share one
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Returns the conversion from a profile to sRGB; None if it changes nothing, or the profile is damaged."""
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
    except Exception:  # the profile is another's data, and metadata spoils no picture
        return None
    return None if np.abs(after.astype(int) - before).max() <= _SAME else transform


def _inflated(content: memoryview) -> bytes:
    """Returns the profile in an iCCP chunk, which has a name, a zero, the method (zero), and the packed profile."""
    _, _, rest = bytes(content).partition(b"\0")
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], _MOST_BYTES)
    except zlib.error:
        return b""
    return profile if inflater.eof else b""


def _is_short_xmp(name: bytes, content: memoryview) -> bool:
    return name == b"iTXt" and len(content) <= _MOST_XMP and bytes(content[: len(_XMP)]) == _XMP
