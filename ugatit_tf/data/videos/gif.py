"""What animated GIFs need beside FFmpeg: palettes, how often they repeat, whether they are complete."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

_TRAILER = b"\x3b"  # the last byte


def is_animated(path: str) -> bool:
    """Whether a file is a GIF of more than one frame."""
    try:
        if not Path(path).is_file():  # a pipe might never begin
            return False
        with Image.open(path, formats=("GIF",)) as image:
            return image.is_animated
    except Exception:  # Pillow's parsers raise nearly anything; whoever reads it as a picture tells why
        return False


def loop_of(path: str) -> str:
    """How often a GIF repeats, as FFmpeg spells it: "0" for ever, "-1" not at all."""
    with Image.open(path, formats=("GIF",)) as image:
        return str(image.info.get("loop", -1))


def is_complete(path: str) -> bool:
    """Whether a GIF ends as it should."""
    with Path(path).open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 64))
        return file.read().rstrip(b"\0").endswith(_TRAILER)


class Palettes:
    """Gives each frame the 256 colours that suit it best; a pixel of alpha below a half becomes transparent.

    Args:
        width: of the frames, in pixels.
        height: likewise.
        pixel_format: theirs, as FFmpeg names it.
        time_base: of their time stamps.
    """

    def __init__(self, width: int, height: int, pixel_format: str, time_base: Fraction) -> None:
        from av.filter import Graph

        graph = self._graph = Graph()
        source = graph.add_buffer(width=width, height=height, format=pixel_format, time_base=time_base)
        split = graph.add("split")
        palette = graph.add("palettegen", "stats_mode=single")
        # An ordered pattern stays where it is; one that spreads errors would crawl from frame to frame.
        apply = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=3")
        sink = graph.add("buffersink")
        source.link_to(split)
        split.link_to(palette, 0, 0)
        split.link_to(apply, 1, 0)
        palette.link_to(apply, 0, 1)
        apply.link_to(sink)
        graph.configure()

    def apply(self, frame: Any) -> Iterator[Any]:
        """Takes a frame, or None behind the last; gives those that are ready."""
        import av

        self._graph.push(frame)
        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
