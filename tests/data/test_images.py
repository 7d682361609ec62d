"""Pixels by hand: each format and mode, each orientation, each way for a file to be bad."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data import images
from ugatit_tf.errors import RunError

ORIENTATION = 0x0112
BLUE, RED, WHITE = [0, 0, 255], [255, 0, 0], [255, 255, 255]


def encoded(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    file.seek(0)
    return file


def opened(file):
    """What Pillow makes of the file, without moving its position."""
    return Image.open(io.BytesIO(file.getvalue()))


def png(width, height, depth, color, rows, *chunks):
    """A PNG file's bytes, for what Pillow reads but does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    body = [(b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b"")]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in body))


def palette(*colors):
    picture = Image.new("P", (len(colors), 1))
    picture.putpalette([value for color in colors for value in color])
    picture.putdata(range(len(colors)))
    return picture


def corners(height=48, width=32):
    """Four flat quarters of different colours: any flip or turn of it differs, and JPEG keeps its colours."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = [200, 30, 30]
    image[: height // 2, width // 2 :] = [30, 200, 30]
    image[height // 2 :, : width // 2] = [30, 30, 200]
    image[height // 2 :, width // 2 :] = [200, 200, 200]
    return image


def as_stored(upright, orientation):
    """What a camera stores for `orientation`, from the EXIF table: where row 0 and column 0 of the file belong."""
    swapped = upright.transpose(1, 0, 2)
    return {
        1: upright,  # top, left
        2: upright[:, ::-1],  # top, right
        3: upright[::-1, ::-1],  # bottom, right
        4: upright[::-1],  # bottom, left
        5: swapped,  # left, top
        6: swapped[::-1],  # right, top: columns of the file run down from the right edge
        7: swapped[::-1, ::-1],  # right, bottom
        8: swapped[:, ::-1],  # left, bottom
    }[orientation]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_give_back_the_pixels(tmp_path, kind):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    path = tmp_path / "x"
    Image.fromarray(image).save(path, kind, **options)
    read = images.load(path, None)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, image)
    read[:] = 0  # the caller's own memory


def test_jpeg_is_close():
    read = images.decode(encoded(Image.fromarray(corners()), "JPEG", quality=95, subsampling=0))
    assert np.abs(read.astype(int) - corners()).max() <= 4


def test_the_extensions_are_those_of_the_formats():
    assert {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".avif"} == images.EXTENSIONS
    assert {Image.registered_extensions()[suffix] for suffix in images.EXTENSIONS} == set(images._FORMATS)


@pytest.mark.parametrize(
    ("picture", "kind", "expected"),
    [
        (Image.new("L", (1, 1), 90), "PNG", [90, 90, 90]),
        (Image.new("L", (1, 1), 90), "BMP", [90, 90, 90]),
        (Image.new("1", (1, 1), 1), "PNG", WHITE),
        (Image.new("1", (1, 1), 0), "TIFF", [0, 0, 0]),
        (palette((1, 2, 3)), "PNG", [1, 2, 3]),
        (palette((1, 2, 3)), "BMP", [1, 2, 3]),
        (palette((1, 2, 3)), "GIF", [1, 2, 3]),
        (Image.new("CMYK", (1, 1), (255, 0, 0, 0)), "TIFF", [0, 255, 255]),
        (Image.new("CMYK", (1, 1), (0, 0, 0, 255)), "TIFF", [0, 0, 0]),
        # 51 / 255 = 0.2 of black over white: 0.8 * 255 = 204
        (Image.new("RGBA", (1, 1), (0, 0, 0, 51)), "PNG", [204, 204, 204]),
        (Image.new("RGBA", (1, 1), (0, 0, 255, 0)), "TIFF", WHITE),
        (Image.new("RGBA", (1, 1), (0, 0, 255, 255)), "PNG", BLUE),
        (Image.new("LA", (1, 1), (0, 51)), "PNG", [204, 204, 204]),
        (Image.new("LA", (1, 1), (70, 255)), "PNG", [70, 70, 70]),
    ],
    ids=lambda value: getattr(value, "mode", None),
)
@pytest.mark.filterwarnings("error")
def test_modes_become_rgb(picture, kind, expected):
    assert images.decode(encoded(picture, kind)).tolist() == [[expected]]


def test_cmyk_jpeg_is_not_inverted():
    read = images.decode(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100))
    assert np.abs(read.astype(int) - RED).max() <= 2


def test_lab_becomes_gray():
    white = Image.new("LAB", (1, 1), (255, 128, 128))
    assert images.decode(encoded(white, "TIFF"), 1).tolist() == [[[255]]]


def test_16_bit_grayscale_is_scaled_not_clipped():
    values = np.array([[0, 257, 200 * 257, 65535]], np.uint16)
    expected = [[[0] * 3, [1] * 3, [200] * 3, [255] * 3]]
    for kind in "PNG", "TIFF":
        file = encoded(Image.fromarray(values), kind)
        assert opened(file).mode == "I;16"
        assert images.decode(file).tolist() == expected
    big_endian = Image.frombytes("I;16B", (4, 1), values.astype(">u2").tobytes())
    file = encoded(big_endian, "TIFF")
    assert opened(file).mode == "I;16B"
    assert images.decode(file).tolist() == expected
    file = encoded(Image.fromarray(values.astype(np.int32)), "TIFF")
    assert opened(file).mode == "I"
    assert images.decode(file).tolist() == expected


def test_16_bit_grayscale_rounds_to_the_nearest():
    assert images.decode(encoded(Image.fromarray(np.array([[128, 129]], np.uint16)), "PNG"), 1).tolist() == [[[0], [1]]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 0.2, 1], [0, 51, 255]), ([0, 51, 300], [0, 51, 255]), ([-1, np.nan, 1], [0, 0, 255])],
)
@pytest.mark.filterwarnings("error")
def test_float_tiff(values, expected):
    file = encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")
    assert images.decode(file, 1)[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("file", "hidden", "visible"),
    [
        (encoded(palette(RED, BLUE), "PNG", transparency=0), RED, BLUE),
        (encoded(palette(RED, BLUE), "PNG", transparency=b"\x00"), RED, BLUE),  # one alpha for each colour
        (encoded(palette(RED, BLUE), "GIF", transparency=0), RED, BLUE),
        (png(2, 1, 8, 2, [bytes(RED + BLUE)], (b"tRNS", struct.pack(">3H", *RED))), RED, BLUE),
        (png(2, 1, 8, 0, [bytes([7, 9])], (b"tRNS", struct.pack(">H", 7))), [7] * 3, [9] * 3),
        (
            png(2, 1, 16, 0, [struct.pack(">2H", 7 * 257, 9 * 257)], (b"tRNS", struct.pack(">H", 7 * 257))),
            [7] * 3,
            [9] * 3,
        ),
    ],
    ids=["palette", "palette alphas", "gif", "rgb", "gray", "gray 16"],
)
@pytest.mark.filterwarnings("error")
def test_one_transparent_colour(file, hidden, visible):
    file.seek(0)
    assert images.decode(file).tolist() == [[WHITE, visible]]
    file.seek(0)
    assert images.decode(file, 4).tolist() == [[[*hidden, 0], [*visible, 255]]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_the_first_frame_counts(kind):
    frames = [Image.new("RGB", (8, 8), tuple(color)) for color in (RED, BLUE)]
    file = encoded(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
    assert opened(file).n_frames == 2
    assert images.decode(file)[4, 4].tolist() == RED


def test_a_phones_multi_picture_jpeg_is_a_jpeg():
    frames = [Image.new("RGB", (16, 16), tuple(color)) for color in (RED, BLUE)]
    file = encoded(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert opened(file).format == "MPO"
    assert np.abs(images.decode(file)[8, 8].astype(int) - RED).max() <= 3


def test_channels():
    clear = (30, 200, 30, 128)
    file = encoded(Image.new("RGBA", (2, 1), clear), "PNG")
    rgba, rgb, gray = (images.decode(io.BytesIO(file.getvalue()), channels) for channels in (4, 3, 1))
    assert rgba.tolist() == [[list(clear)] * 2]
    # c * 128/255 + 255 * 127/255
    assert rgb.tolist() == [[[142, 227, 142]] * 2]
    # 0.299 * 142 + 0.587 * 227 + 0.114 * 142
    assert gray.tolist() == [[[192]] * 2]
    opaque = encoded(Image.new("L", (2, 1), 5), "PNG")
    assert images.decode(opaque, 4).tolist() == [[[5, 5, 5, 255]] * 2]
    with pytest.raises(ValueError, match="channels"):
        images.decode(opaque, 2)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(kind, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = np.ascontiguousarray(as_stored(corners(), orientation))
    read = images.decode(encoded(Image.fromarray(stored), kind, exif=exif))
    assert read.shape == (48, 32, 3)
    middles = np.ix_([12, 36], [8, 24])
    assert np.abs(read[middles].astype(int) - corners()[middles]).max() <= 8


def test_a_turned_palette_and_16_bit_picture():
    exif = Image.Exif()
    exif[ORIENTATION] = 3
    assert images.decode(encoded(palette(RED, BLUE), "PNG", exif=exif)).tolist() == [[BLUE, RED]]
    deep = Image.fromarray(np.array([[0, 65535]], np.uint16))
    assert images.decode(encoded(deep, "PNG", exif=exif), 1).tolist() == [[[255], [0]]]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0"])
def test_damaged_exif_does_not_cost_the_picture(exif):
    assert images.decode(encoded(Image.fromarray(corners()), "PNG", exif=exif)).tolist() == corners().tolist()


def test_an_unknown_orientation_is_upright():
    exif = Image.Exif()
    exif[ORIENTATION] = 9
    assert images.decode(encoded(Image.fromarray(corners()), "PNG", exif=exif)).tolist() == corners().tolist()


def whole(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return encoded(Image.fromarray(noise), kind).getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!doctype html>", "not a JPEG"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a JPEG"),
        (b"\x89PNG\r\n\x1a\n", ""),
        (b"GIF89a\1\0\1\0\0\0\0", ""),
        (b"BM" + bytes(60), ""),
        (b"II*\0" + bytes(8), ""),
        (png(20_000, 20_000, 8, 0, []).getvalue(), "decompression bomb"),
        *((whole(kind)[: len(whole(kind)) // 2], "") for kind in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF")),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_bad_file_is_one_line(tmp_path, data, reason):
    path = tmp_path / "bad.jpg"
    path.write_bytes(data)
    with pytest.raises(images.UnreadableImageError) as caught:
        images.load(path, 8)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert reason in message.removeprefix(f"{path}: ")
    assert message.count(str(path)) == 1
    assert "\n" not in message
    assert isinstance(caught.value, RunError)


@pytest.mark.parametrize("error", [SyntaxError("a\nb"), ValueError(), struct.error("c"), KeyError("d"), EOFError()])
def test_any_error_of_a_decoder_is_an_unreadable_image(monkeypatch, error):
    def fail(*_args, **_keywords):
        raise error

    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(images.UnreadableImageError, match=r"image data: \S[^\n]*$"):
        images.decode(io.BytesIO(b"x"))


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(images.UnreadableImageError, match=r"none\.png: No such file or directory$"):
        images.load(tmp_path / "none.png", 8)
    with pytest.raises(images.UnreadableImageError, match="directory"):
        images.load(str(tmp_path), 8)


def test_a_pipe_or_device_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zeros.png").symlink_to("/dev/zero")
    for name in "pipe.png", "zeros.png":
        with pytest.raises(images.UnreadableImageError, match=f"{name}: a pipe, socket or device$"):
            images.load(tmp_path / name, 8)


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "film.png").open("wb") as file:
        file.truncate(3 * 10**9)
    with pytest.raises(images.UnreadableImageError, match=r"film\.png: a file of 3\.0 GB$"):
        images.load(tmp_path / "film.png", 8)


def test_a_name_of_two_lines_gives_a_message_of_one(tmp_path):
    (tmp_path / "two\nlines.png").write_bytes(b"")
    with pytest.raises(images.UnreadableImageError) as caught:
        images.load(tmp_path / "two\nlines.png", 8)
    assert str(caught.value) == f"{tmp_path}/two\\nlines.png: the file is empty"


def test_the_bomb_guard_is_on():
    assert Image.MAX_IMAGE_PIXELS is not None


def test_resize_shrinks_by_averaging():
    # A checkerboard of 0 and 255 keeps its mean; without antialiasing some pixels would be 0 or 255.
    board = (np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8)[..., np.newaxis]
    small = images.resize(board, 8)
    assert small.shape == (8, 8, 1)
    assert np.abs(small.astype(int) - 127.5).max() <= 3


def test_resize_enlarges_bilinearly():
    # Half-pixel centres: the four new columns lie at -1/4, 1/4, 3/4 and 5/4 of the way.
    row = np.array([[[0], [200]]], np.uint8)
    assert images.resize(row, 4)[:, :, 0].tolist() == [[0, 50, 150, 200]] * 4


def test_resize_keeps_the_channels_and_the_size_it_has():
    for channels in 1, 3, 4:
        image = np.random.default_rng(channels).integers(0, 256, (6, 9, channels), np.uint8)
        assert images.resize(image, 5).shape == (5, 5, channels)
    square = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    np.testing.assert_array_equal(images.resize(square, 6), square)


def test_a_transparent_pixels_colour_does_not_bleed():
    image = np.array([[[255, 0, 0, 0], [0, 0, 255, 255]]], np.uint8)
    assert images.resize(image, 1).tolist() == [[[0, 0, 255, 128]]]


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_image_is_refused(tmp_path, image):
    with pytest.raises(ValueError, match="expected uint8"):
        images.resize(image, 4)
    with pytest.raises(ValueError, match="expected uint8"):
        images.save_png(tmp_path / "x.png", image)
    assert not list(tmp_path.iterdir())


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match="size"):
        images.resize(corners(), 0)


def test_load_squeezes_into_a_square(tmp_path):
    Image.fromarray(corners()).save(tmp_path / "x.png")
    image = images.load(tmp_path / "x.png", 16)
    assert image.shape == (16, 16, 3)
    middles = np.ix_([4, 12], [4, 12])
    np.testing.assert_array_equal(image[middles], corners()[np.ix_([12, 36], [8, 24])])
    assert images.load(str(tmp_path / "x.png"), None, channels=1).shape == (48, 32, 1)


def test_floats_round_trip_over_every_value():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    floats = images.to_float(every)
    assert floats.dtype == np.float32
    assert floats.min() == -1
    assert floats.max() == 1
    assert floats.reshape(-1)[51] == pytest.approx(51 / 127.5 - 1)
    back = images.to_uint8(floats)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, every)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_to_uint8_clips_and_rounds(dtype):
    values = np.array([-9, -1, 0.6 / 127.5 - 1, 0.4 / 127.5 - 1, 1, 9], dtype)
    assert images.to_uint8(values).tolist() == [0, 0, 1, 0, 255, 255]


@pytest.mark.filterwarnings("error")
def test_to_uint8_makes_the_best_of_what_is_no_number():
    assert images.to_uint8(np.array([np.nan, -np.inf, np.inf], np.float32)).tolist() == [0, 0, 255]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_save_png_round_trip(tmp_path, channels):
    image = np.random.default_rng(channels).integers(0, 256, (5, 7, channels), np.uint8)
    path = tmp_path / "x.png"
    images.save_png(str(path), image)
    assert Image.open(path).format == "PNG"
    np.testing.assert_array_equal(images.load(path, None, channels), image)
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_picture_whole(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(b"old")

    def refuse(*_arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunError, match=r"x\.png: Permission denied$"):
        images.save_png(path, corners())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("kind", "channels"), [("PNG", 1), ("PNG", 3), ("PNG", 4), ("JPEG", 1), ("JPEG", 3)])
def test_save_round_trip(tmp_path, kind, channels):
    image = np.full((9, 7, channels), 200, np.uint8)
    image[4:] = 90
    images.save(tmp_path / "x", image, kind=kind)
    assert Image.open(tmp_path / "x").format == kind
    read = images.load(tmp_path / "x", None, channels)
    assert read.shape == image.shape
    assert np.abs(read.astype(int) - image).max() <= (3 if kind == "JPEG" else 0)


def test_jpeg_keeps_fine_colours(tmp_path):
    image = np.zeros((32, 32, 3), np.uint8)
    image[:, ::2, 0] = image[:, 1::2, 2] = 255  # at half the colour resolution, all of it would be purple
    images.save(tmp_path / "x.jpg", image, kind="JPEG")
    assert np.abs(images.decode(tmp_path / "x.jpg").astype(int) - image).mean() < 6


def test_jpeg_holds_no_transparency(tmp_path):
    with pytest.raises(ValueError, match="RGBA"):
        images.save(tmp_path / "x.jpg", np.zeros((4, 4, 4), np.uint8), kind="JPEG")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "AVIF"])
def test_the_first_bytes_show_an_image_whatever_its_name(tmp_path, kind):
    Image.fromarray(corners()).save(tmp_path / "x", kind)
    assert images.is_image(str(tmp_path / "x"))
    assert images.load(tmp_path / "x", 8).shape == (8, 8, 3)


def test_other_files_are_no_images(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("RIFF, or not")
    (tmp_path / "heic").write_bytes(b"\0\0\0\x1cftypheic\0\0\0\0")
    for name in ("pipe", "folder", "text", "heic", "missing"):
        assert not images.is_image(str(tmp_path / name)), name
