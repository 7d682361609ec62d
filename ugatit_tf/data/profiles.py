"""Colour profiles: finds the one in a file, and converts pictures to sRGB, the colours of all networks and pages.

A telephone's photograph is often in Display P3: its numbers, taken for sRGB, show paler colours. Metadata may also be
much larger than the picture, or damaged; neither makes good pixels unreadable.
"""

import functools
import zlib

import numpy as np
from PIL import Image, ImageCms

_PNG = b"\x89PNG\r\n\x1a\n"
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_LARGEST_PROFILE = 2**24  # bytes: a printer's profile with tables has a few million
# A profile that changes no colour by more levels than this counts as sRGB, and its pictures stay as they are.
_SAME = 2
# The colour space in a profile's header, and the modes that it describes: opaque, with transparency.
_MODES = {b"RGB ": ("RGB", "RGBA"), b"GRAY": ("L", "LA"), b"CMYK": ("CMYK", "")}


def without_texts(data: bytes) -> tuple[bytes, bytes]:
    """Takes texts and the profile out of a PNG file: Pillow refuses a file whose texts or profile pass 1 MB.

    Args:
        data: a picture's file; only a PNG file is changed.

    Returns:
        The file without these, and the profile; empty if there is none, or it is damaged or huge.
    """
    if not data.startswith(_PNG):
        return data, b""
    kept, profile, start = [_PNG], b"", len(_PNG)
    while start + 8 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")  # of length, kind, content and checksum
        kind = data[start + 4 : start + 8]
        if kind == b"iCCP":
            profile = _unpacked(data[start + 8 : end - 4])
        elif kind not in _TEXTS:
            kept.append(data[start:end])
        start = end
    return b"".join(kept), profile


def _unpacked(content: bytes) -> bytes:
    """Returns the profile in the content of a chunk: a name, a zero, the method, and the packed profile."""
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(content.partition(b"\0")[2][1:], _LARGEST_PROFILE)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Converts a picture from its profile's colours to sRGB.

    Returns:
        The picture in mode RGB, RGBA, L or LA; the same picture if the profile is sRGB, damaged, or of another kind
        than the picture.
    """
    opaque, transparent = _MODES.get(profile[16:20], ("", ""))
    base = image
    if image.mode in ("P", "PA") or "transparency" in image.info:
        has_grey = image.mode in ("1", "L", "LA")
        base = image.convert(("LA" if has_grey else "RGBA") if image.has_transparency_data else "RGB")
    if not base.mode or base.mode not in (opaque, transparent) or (transform := _transform(profile, opaque)) is None:
        return image
    has_alpha = base.mode == transparent
    result = transform.apply(base.convert(opaque))  # which drops the alpha channel alone
    if opaque == "L":
        result = result.getchannel("G")
    if has_alpha:
        result.putalpha(base.getchannel("A"))
    return result


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Returns the conversion from a profile to sRGB; None if it would change nothing, or the profile is damaged."""
    try:
        source = ImageCms.ImageCmsProfile(ImageCms.core.profile_frombytes(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except Exception:  # a damaged profile can make lcms raise nearly anything
        return None
    if mode == "CMYK":
        return transform
    levels = np.linspace(0, 255, 16).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 1, 3)  # [4096, 1, 3]
    if mode == "L":
        colours = levels.repeat(3).reshape(-1, 1, 3)  # [16, 1, 3]
    change = np.asarray(transform.apply(Image.fromarray(colours).convert(mode))).astype(int) - colours
    return transform if np.abs(change).max() > _SAME else None
