"""Image files to pixels and back: decode, orient, resize, encode."""

import io
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ugatit_tf.data import metadata
from ugatit_tf.errors import RunError, reason, shown
from ugatit_tf.system.files import write_atomically

# Files of these names are taken for images without a look at their content: a look at 100,000 files takes its time.
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif"})
KINDS = "JPEG, PNG, BMP, GIF, WebP, TIFF or AVIF"  # the same, in words
ENDINGS = {"png": ".png", "jpeg": ".jpg"}  # of the formats that pictures are written in

# A closed list, so that a file's content never reaches Pillow's other parsers (EPS starts an interpreter).
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "AVIF")
_SIGNATURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|BM|GIF8[79]a|RIFF.{4}WEBP|II\*\0|MM\0\*|.{4}ftypavi[fs]", re.DOTALL
)  # the first bytes of each
_MOST_BYTES = 2**31  # what Pillow allows for pixels takes less, in any format
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableImageError(RunError):
    """A picture that cannot be decoded; the message is one line with the file and the reason."""


def first_bytes(path: str) -> bytes:
    """Returns the beginning of a file, which shows its kind; nothing of a pipe or of a file that cannot be read."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return b""  # reading might wait forever
        with Path(path).open("rb") as file:
            return file.read(32)
    except OSError:
        return b""


def is_image(path: str) -> bool:
    """Whether the first bytes of a file are those of an image that `load` reads, whatever its name."""
    return bool(_SIGNATURE.match(first_bytes(path)))


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
    """Reads a picture, upright, in sRGB, and resized to a square (another shape is squeezed, not cropped).

    Args:
        source: A path, or a binary file object, read from where it stands; of an animation, the first frame counts.
        size: The side of the result, or None for the picture's own height and width.
        channels: 1 for grayscale, 3 for RGB, 4 for RGBA.
        name: What errors call the source, where it is no path.
        max_pixels: A picture of more is refused before it is decoded; 0: only what Pillow takes for an attack.

    Returns:
        uint8 `[size, size, channels]`, or `[H, W, channels]` where `size` is None.

    Raises:
        UnreadableImageError: The source is missing, damaged, too large or not an image.
        ValueError: `channels` or `size` makes no sense.
    """
    # Pillow's own until it is small: copies of a large picture cost as much as decoding it.
    picture = _decode(source, channels, name, max_pixels)
    return to_pixels(picture if size is None else _resize(picture, size))


def decode(source: str | Path | BinaryIO, channels: int = 3) -> np.ndarray:
    """Decodes a picture at its own size, upright by its EXIF orientation, in sRGB by its colour profile.

    Transparency is laid over white, unless `channels` is 4, which keeps it (and is 255 where there was none).
    Grayscale of more than 8 bits is scaled to 8, not clipped. For the rest see `load`.
    """
    return load(source, None, channels)


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resizes to a square: bilinear with half-pixel centres, antialiased where it shrinks.

    RGBA is weighted by its alpha, so that the colour of transparent pixels does not bleed.

    Args:
        image: uint8 `[H, W, C]` with C 1, 3 or 4.
        size: The side of the result, at least 1.

    Returns:
        uint8 `[size, size, C]`.

    Raises:
        ValueError: The image has another type or shape, or the size is below 1.
    """
    return to_pixels(_resize(to_picture(image), size))


def with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    """Turns uint8 `[H, W, 1, 3 or 4]` into uint8 `[H, W, channels]`, as `decode` would."""
    return to_pixels(_convert(to_picture(image), channels))


def to_float(image: np.ndarray) -> np.ndarray:
    """Scales uint8 0..255 of any shape to float32 in [-1, 1]."""
    return image.astype(np.float32) / np.float32(127.5) - np.float32(1)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Scales floats of any shape in [-1, 1] to uint8 0..255: clips what lies outside, rounds; NaN becomes 0."""
    return np.rint((np.clip(np.nan_to_num(image, nan=-1), -1, 1).astype(np.float32) + 1) * 127.5).astype(np.uint8)


def save_png(path: str | Path, image: np.ndarray) -> None:
    """Writes a PNG file, whole or not at all: a failed write leaves an older file of that name as it was.

    Args:
        path: Where to; the folder exists.
        image: uint8 `[H, W, C]` with C 1 (grayscale), 3 (RGB) or 4 (RGBA).

    Raises:
        RunError: The file cannot be written.
        ValueError: The image has another type or shape.
    """
    save(path, image, kind="PNG")


def save(path: str | Path, image: np.ndarray, *, kind: str) -> None:
    """As `save_png`, of one of two kinds of file.

    Args:
        path: Where to; the folder exists.
        image: uint8 `[H, W, C]`; JPEG takes no RGBA.
        kind: "PNG", or "JPEG" of high quality.

    Raises:
        RunError: The file cannot be written.
        ValueError: The image has another type or shape.
    """
    write_atomically(path, encode(image, kind=kind))


def encode(image: np.ndarray, *, kind: str = "PNG") -> bytes:
    """Returns the content of the file that `save` writes."""
    chunks = PngInfo()
    chunks.add(b"sRGB", b"\0")  # names the colours, which a JPEG without a profile has too
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"pnginfo": chunks}
    picture = to_picture(image)
    file = io.BytesIO()
    try:
        picture.save(file, kind, **options)
    except OSError as error:  # Pillow's word for an image that the format cannot hold
        raise ValueError(str(error)) from error
    return file.getvalue()


def _decode(source: str | Path | BinaryIO, channels: int, name: str, max_pixels: int) -> Image.Image:
    """A picture of the mode that `channels` stands for."""
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
            return _convert(_upright(image), channels, profile or image.info.get("icc_profile"))
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
        raise ValueError("a pipe, socket or device")  # reading might wait forever, or never end
    if status.st_size > _MOST_BYTES:
        raise ValueError(f"a file of {status.st_size / 1e9:.1f} GB")
    return path.read_bytes()


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
        method = _UPRIGHT.get(orientation)
    except Exception:  # damaged metadata around good pixels
        method = None
    return image if method is None else image.transpose(method)


def _convert(image: Image.Image, channels: int, profile: bytes | None = None) -> Image.Image:
    """Turns an image of any mode, in the colours of its profile, into "L", "RGB" or "RGBA" in sRGB."""
    if image.mode.startswith(("I", "F")):
        image = _to_8_bits(image)
    image = metadata.to_srgb(image, profile)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if channels != 4:
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")  # LAB has no way of its own to grayscale
    return image if image.mode == _MODES[channels] else image.convert(_MODES[channels])


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit integer (I;16, I) or float (F) grayscale to "L", or "LA" where one gray means transparent."""
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
    """An image of mode "L", "RGB" or "RGBA" as uint8 `[H, W, C]`."""
    pixels = np.array(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def to_picture(image: np.ndarray) -> Image.Image:
    """The inverse of `to_pixels`; a ValueError where the image has another type or shape."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in _MODES or not image.size:
        raise ValueError(f"expected uint8 [H, W, 1, 3 or 4], not {image.dtype} {list(image.shape)}")
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
