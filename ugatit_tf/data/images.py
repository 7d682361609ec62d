"""Decodes image files to upright uint8 RGB pixels in sRGB, resizes pixels, and encodes them."""

import contextlib
import io
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ugatit_tf.data import metadata
from ugatit_tf.errors import RunError, reason, shown
from ugatit_tf.system.files import write_atomically

# A file with such an ending counts as an image, and is not opened: opening 100,000 files would take long.
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif"})
KINDS = "JPEG, PNG, BMP, GIF, WebP, TIFF or AVIF"  # the formats below, in words
ENDINGS = {"png": ".png", "jpeg": ".jpg"}  # the endings of the formats that are written

# The list is closed, so that no file reaches Pillow's other parsers: the one of EPS starts an interpreter.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "AVIF")
_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|BM|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|.{4}ftypavi[fs]", re.DOTALL
)  # the first bytes of a file of each format
_MOST_BYTES = 2**31  # no file within Pillow's limit of pixels is larger
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class UnreadableImageError(RunError):
    """A picture cannot be decoded. The message is one line with the file and the reason."""


def first_bytes(path: str) -> bytes:
    """Returns a file's first 32 bytes, which show its format; b"" for a pipe or a file that cannot be read."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return b""  # reading might wait forever
        with Path(path).open("rb") as file:
            return file.read(32)
    except OSError:
        return b""


def is_image(path: str) -> bool:
    """Returns whether a file's first bytes are those of a format that `load` reads; the name does not matter."""
    return begins_as_image(first_bytes(path))


def begins_as_image(first: bytes) -> bool:
    """Returns whether the first bytes of a file are those of a format that `load` reads."""
    return bool(_SIGNATURE.match(first))


def size_of(path: str) -> tuple[int, int] | None:
    """Returns the width and height that a file's header states, before EXIF turns it; None if it cannot be read."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return None  # reading might wait forever
        with Image.open(path, formats=_FORMATS) as image:
            return image.size
    except Exception:  # Pillow's parsers raise nearly anything
        return None


def load(
    source: str | Path | BinaryIO, size: int | None, channels: int = 3, *, name: str = "image data", max_pixels: int = 0
) -> np.ndarray:
    """Reads a picture, turns it upright by EXIF, converts it to sRGB by its profile, and squeezes it to a square.

    Transparent pixels are laid over white. With 4 channels they stay, and a picture without alpha gets 255. Grayscale
    of more than 8 bits is scaled to 8 bits, not clipped.

    Args:
        source: a path, or a binary file object, which is read from its position on. Of an animation, the first frame
            is read.
        size: the side of the result in pixels; None keeps the picture's height and width.
        channels: 1 for grayscale, 3 for RGB, 4 for RGBA.
        name: the name of a file object in errors.
        max_pixels: a picture with more pixels is refused before it is decoded. With 0, Pillow's limit of 179 million
            pixels alone holds.

    Returns:
        uint8 `[size, size, channels]`, or `[H, W, channels]` if `size` is None.

    Raises:
        UnreadableImageError: The source is missing, damaged, too large or no image.
        ValueError: `channels` is not 1, 3 or 4, or `size` is below 1.
    """
    # It becomes an array after it is resized: a copy of a large picture costs as much as decoding it.
    picture = _decode(source, channels, name, max_pixels)
    return to_pixels(picture if size is None else _resize(picture, size))


def decode(source: str | Path | BinaryIO, channels: int = 3) -> np.ndarray:
    """Reads a picture at its own size, as `load` does: uint8 `[H, W, channels]`."""
    return load(source, None, channels)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes an image to a square: bilinear with half-pixel centres, and antialiased if the image shrinks.

    The colours of RGBA are weighted by alpha, so that colours of transparent pixels do not mix into others.

    Args:
        image: uint8 `[H, W, C]` with C 1, 3 or 4.
        size: the side of the result in pixels, at least 1.

    Returns:
        uint8 `[size, size, C]`.

    Raises:
        ValueError: The image has another dtype or shape, or the size is below 1.
    """
    return to_pixels(_resize(to_picture(image), size))


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Converts uint8 `[H, W, 1, 3 or 4]` to uint8 `[H, W, channels]`, as `decode` does."""
    return to_pixels(_convert(to_picture(image), channels))


def to_float(image: np.ndarray) -> np.ndarray:
    """Scales uint8 0..255 of any shape to float32 in [-1, 1]."""
    return image.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Scales floats of any shape in [-1, 1] to uint8 0..255. Other values are clipped; NaN becomes 0."""
    return np.rint((np.clip(np.nan_to_num(image, nan=-1), -1, 1).astype(np.float32) + 1) * 127.5).astype(np.uint8)


def save_png(path: str | Path, image: np.ndarray) -> None:
    """Writes a PNG file; see `save`."""
    save(path, image, kind="PNG")


def save(path: str | Path, image: np.ndarray, *, kind: str) -> None:
    """Writes a PNG or JPEG file atomically: a failed write does not change an older file of that name.

    Args:
        path: the path of the file, in a folder that exists.
        image: uint8 `[H, W, C]` with C 1 (grayscale), 3 (RGB) or 4 (RGBA, only for PNG).
        kind: "PNG", or "JPEG" of high quality.

    Raises:
        RunError: The file cannot be written.
        ValueError: The image has another dtype or shape.
    """
    write_atomically(path, encode(image, kind=kind))


def encode(image: np.ndarray, *, kind: str = "PNG") -> bytes:
    """Returns the bytes of the file that `save` writes."""
    chunks = PngInfo()
    chunks.add(b"sRGB", b"\0")  # marks the colours as sRGB; a JPEG without a profile is sRGB anyway
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"pnginfo": chunks}
    picture = to_picture(image)
    file = io.BytesIO()
    try:
        picture.save(file, kind, **options)
    except OSError as error:  # Pillow raises it for an image that the format cannot hold
        raise ValueError(str(error)) from error
    return file.getvalue()


def _decode(source: str | Path | BinaryIO, channels: int, name: str, max_pixels: int) -> Image.Image:
    """Reads a picture in the mode of `channels`: "L", "RGB" or "RGBA"."""
    if channels not in _MODES:
        raise ValueError(f"channels must be 1, 3 or 4, not {channels}")
    is_path = isinstance(source, str | Path)
    try:
        data = _read_file(Path(source)) if is_path else source.read()
        if not data:
            raise ValueError("the file is empty")
        data, profile = metadata.stripped(data)
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            if max_pixels and image.width * image.height > max_pixels:
                raise ValueError(f"{image.width} x {image.height} pixels, at most {max_pixels:,} are allowed")
            image.load()
            # Damaged tags raise an error, but only after the picture is turned.
            with contextlib.suppress(Exception):
                ImageOps.exif_transpose(image, in_place=True)
            return _convert(image, channels, profile or image.info.get("icc_profile"))
    except Exception as error:  # Pillow's parsers raise nearly anything: SyntaxError, struct.error, IndexError...
        why = f"not a {KINDS} image" if isinstance(error, UnidentifiedImageError) else reason(error)
        raise UnreadableImageError(f"{shown(source if is_path else name)}: {why}") from error


def _resize(picture: Image.Image, size: int) -> Image.Image:
    if size < 1:
        raise ValueError(f"size must be at least 1, not {size}")
    return picture.resize((size, size), Image.Resampling.BILINEAR)


def _read_file(path: Path) -> bytes:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise ValueError("a pipe, socket or device")  # reading might never end
    if status.st_size > _MOST_BYTES:
        raise ValueError(f"a file of {status.st_size / 1e9:.1f} GB")
    return path.read_bytes()


def _convert(image: Image.Image, channels: int, profile: bytes | None = None) -> Image.Image:
    """Converts an image of any mode, in the colours of its profile, to "L", "RGB" or "RGBA" in sRGB."""
    if image.mode.startswith(("I", "F")):
        image = _to_8_bits(image)
    image = metadata.to_srgb(image, profile)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels != 4:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")  # Pillow cannot convert LAB to grayscale directly
    return image if image.mode == _MODES[channels] else image.convert(_MODES[channels])


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit integer (I;16, I) or float (F) grayscale to "L", or to "LA" if one grey is transparent."""
    values = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values)
        gray = values * 255 if values.max() <= 1 else values
    else:
        gray = values / 257
    picture = Image.fromarray(np.rint(np.clip(gray, 0, 255)).astype(np.uint8))
    transparent = image.info.get("transparency")
    if transparent is not None:
        picture.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return picture


def to_pixels(image: Image.Image) -> np.ndarray:
    """Returns an image of mode "L", "RGB" or "RGBA" as uint8 `[H, W, C]`."""
    pixels = np.array(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def to_picture(image: np.ndarray) -> Image.Image:
    """Returns uint8 `[H, W, 1, 3 or 4]` as Pillow's image; raises a ValueError for another dtype or shape."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in _MODES or not image.size:
        raise ValueError(f"expected uint8 [H, W, 1, 3 or 4], not {image.dtype} {list(image.shape)}")
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
