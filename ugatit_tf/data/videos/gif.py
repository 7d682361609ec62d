"""Supplements FFmpeg for animated GIFs: a palette for each frame, the number of repetitions, a check of the end."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

_TRAILER = b"\x3b"  # the last byte


def is_animated(path: str) -> bool:
    """Returns whether a file is a GIF of more than one frame."""
    try:
        if not Path(path).is_file():  # reading a pipe might never end
            return False
        with Image.open(path, formats=("GIF",)) as image:
            return image.is_animated
    except Exception:  # Pillow's parsers raise nearly anything; reading the file as a picture then gives the reason
        return False


def loop_of(path: str) -> str:
    """Returns the number of a GIF's repetitions as FFmpeg writes it: "0" for endless, "-1" for none."""
    with Image.open(path, formats=("GIF",)) as image:
        return str(image.info.get("loop", -1))


def is_complete(path: str) -> bool:
    """Returns whether a GIF ends with its trailer; zero bytes may follow."""
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 64))
        return file.read().rstrip(b"\0").endswith(_TRAILER)


class Palettes:
    """Reduces each frame to a palette of its own 256 colours. Pixels of alpha below a half become transparent.

    Args:
        width: the width of the frames in pixels.
        height: the height of the frames in pixels.
        pixel_format: FFmpeg's name of the frames' pixel format.
        time_base: the unit of the frames' time stamps in seconds.
    """

    def __init__(self, width: int, height: int, pixel_format: str, time_base: Fraction) -> None:
        from av.filter import Graph

        graph = self._graph = Graph()
        source = graph.add_buffer(width=width, height=height, format=pixel_format, time_base=time_base)
        split = graph.add("split")
        palette = graph.add("palettegen", "stats_mode=single")
        # An ordered dither pattern stays in place; one of error diffusion would move from frame to frame.
        apply = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(palette, 0, 0)
        split.link_to(apply, 1, 0)
        palette.link_to(apply, 0, 1)
        apply.link_to(sink)
        graph.configure()

    def apply(self, frame: Any) -> Iterator[Any]:
        """Takes PyAV's frame, or None after the last one; yields the frames that are ready."""
        import av

        self._graph.push(frame)
        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
