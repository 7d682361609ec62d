"""Reads the frames of a video, upright, one by one, and skips the parts that cannot be decoded."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Self

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.data.videos import VideoError, gif, open_to_read
from ugatit_tf.errors import reason, shown

_MISSING = 0.5  # a file counts as cut short if so many seconds of its stated duration are missing
_WIDEST = 4  # the largest ratio of a pixel's sides; a larger one counts as a mistake in the file
_HD = 720  # frames of at least so many rows without a stated colour space are BT.709, as in players
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_UNSPECIFIED = 2  # FFmpeg's number for a colour space that is not stated


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        pixels: uint8 `[H, W, C]`, upright.
        pts: the time at which it is shown, in units of the video's `time_base`.
        duration: the time for which it is shown, in units of the video's `time_base`; 0 if the file does not state it.
    """

    pixels: np.ndarray
    pts: int
    duration: int


class Video:
    """A video file, open for reading: a context manager.

    Args:
        path: the path of the file.
        channels: the channels of the frames' pixels, 1, 3 or 4. Transparency is laid over white unless it is 4.

    Attributes:
        path: the path of the file.
        time_base: the unit of time stamps in seconds.
        rate: the average number of frames a second.
        damage: a description of the file's damage after `frames` has ended; "" if there was none.

    Raises:
        VideoError: The file cannot be opened, or has no pictures.
    """

    def __init__(self, path: str, channels: int) -> None:
        self.path = path
        self._channels = channels
        self._size: tuple[int, int] | None = None
        self.damage = ""
        try:
            self._container = open_to_read(path)
        except (OSError, ValueError) as error:
            raise VideoError(f"{shown(path)}: {reason(error)}") from error
        self._stream = next(filter(_is_film, self._container.streams.video), None)
        if self._stream is None:
            self._container.close()
            raise VideoError(f"{shown(path)}: no pictures that can be decoded")
        self._stream.thread_type = "AUTO"
        self._decoder = _decoder_of(self._stream)
        self.time_base: Fraction = self._stream.time_base
        self.rate: Fraction = self._stream.average_rate or self._stream.guessed_rate or Fraction(25)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def frame_count(self) -> int | None:
        """The approximate number of frames; None if the file does not state it."""
        seconds = self._container.duration and self._container.duration / 1e6
        return self._stream.frames or (round(seconds * self.rate) if seconds else None)

    def frames(self) -> Iterator[Frame]:
        """Yields the frames in the order of their times. It can be called once."""
        last = None
        for frame in self._decoded():
            if frame.pts is None or (last is not None and frame.pts <= last):
                continue  # players do not show it either
            last = frame.pts
            yield Frame(self._pixels(frame), frame.pts, frame.duration or 0)

    def _decoded(self) -> Iterator[Any]:
        """Yields PyAV's frames of all packets that can be decoded; sets `damage` at the end."""
        import av

        problems, end = [], Fraction(0)
        streams = [self._stream, *self._container.streams.audio]
        packets = self._container.demux(streams)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                if packet.pts is not None:  # sound counts too: a file may state one duration for both
                    end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
                frames = self._decoder.decode(packet) if packet.stream is self._stream else ()
            except av.FFmpegError as error:
                problems.append(error.strerror)
                continue
            yield from frames
        if problems:
            self.damage = f"damaged: {problems[0]}, {len(problems)} times"
        lengths = [stream.duration * stream.time_base for stream in streams if stream.duration]
        announced = float(max(lengths)) if lengths else (self._container.duration or 0) / 1e6
        if end < announced - _MISSING:
            self.damage = f"cut short: only {float(end):.1f} of {announced:.1f} s can be read"
        if self._container.format.name == "gif" and not gif.is_complete(self.path):
            self.damage = "cut short"

    def _pixels(self, frame: Any) -> np.ndarray:
        """Converts PyAV's frame to upright uint8 `[H, W, C]`."""
        if self._size is None:  # all frames get the first one's size, and square pixels
            ratio = self._stream.sample_aspect_ratio or 1
            ratio = ratio if 1 / _WIDEST <= ratio <= _WIDEST else 1
            self._size = max(1, round(frame.width * ratio)), frame.height
        width, height = self._size
        has_alpha = any(component.is_alpha for component in frame.format.components)
        guess = "ITU709" if frame.colorspace == _UNSPECIFIED and height >= _HD and not frame.format.is_rgb else None
        pixels = frame.to_ndarray(
            format="rgba" if has_alpha else "rgb24", width=width, height=height, src_colorspace=guess
        )
        return images.with_channels(_upright(pixels, frame.side_data.get("DISPLAYMATRIX")), self._channels)


def _decoder_of(stream: Any) -> Any:
    """Returns the decoder of a stream: libvpx for a WebM with alpha, which FFmpeg's own decoders ignore."""
    from av import CodecContext

    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if tags.get("alpha_mode") != "1" or name is None:
        return stream.codec_context
    decoder = CodecContext.create(name, "r")
    decoder.extradata = stream.codec_context.extradata
    return decoder


def _is_film(stream: Any) -> bool:
    """Returns whether a stream has frames that can be decoded, and is not the cover picture of an album."""
    from av.stream import Disposition

    return stream.codec_context is not None and not stream.disposition & Disposition.attached_pic


def _upright(pixels: np.ndarray, matrix: Any) -> np.ndarray:
    """Turns and mirrors pixels by a display matrix, which shows the pixel (x, y) at (a x + c y, b x + d y)."""
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    across, down = a, d
    if abs(b) > abs(a):
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
