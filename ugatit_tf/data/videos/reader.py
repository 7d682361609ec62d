"""Reading a video: its frames upright, one by one, as far as they can be decoded."""

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.data.videos import VideoError, gif, open_to_read
from ugatit_tf.errors import reason, shown

_MISSING = 0.5  # seconds less than a file announces, from which on it counts as cut short
_WIDEST = 4  # times as wide as high, or as high as wide: pixels of other shapes are taken for a mistake of the file
_HD = 720  # rows from which on colours of no stated kind are BT.709's, as players take them
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_UNSPECIFIED = 2  # FFmpeg's number of the colour space that is not stated


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame of a video.

    Attributes:
        pixels: uint8 `[H, W, C]`, upright.
        pts: when it is shown, in units of the video's `time_base`.
        duration: for how long, likewise; 0 where the file does not say.
    """

    pixels: np.ndarray
    pts: int
    duration: int


class Video:
    """A video file, open for reading: a context.

    Args:
        path: its path.
        channels: 1, 3 or 4, of the frames' pixels; transparency is laid over white, unless it is 4.

    Attributes:
        path: as given.
        time_base: the unit of time stamps, in seconds.
        rate: frames a second, on average.
        damage: what was wrong with it, once `frames` has ended; "" where nothing was.

    Raises:
        VideoError: where it cannot be opened, or there are no pictures in it.
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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def frame_count(self) -> int | None:
        """About how many frames there are; None where the file does not say."""
        seconds = self._container.duration and self._container.duration / 1e6
        return self._stream.frames or (round(seconds * self.rate) if seconds else None)

    def frames(self) -> Iterator[Frame]:
        """The frames, in the order of their times; to be called once."""
        last = None
        for frame in self._decoded():
            if frame.pts is None or (last is not None and frame.pts <= last):
                continue  # no player would show it either
            last = frame.pts
            yield Frame(self._pixels(frame), frame.pts, frame.duration or 0)

    def _decoded(self) -> Iterator[Any]:
        """PyAV's frames of all packets that can be decoded; notes what cannot."""
        import av

        problems, end = [], Fraction(0)
        streams = [self._stream, *self._container.streams.audio]
        packets = self._container.demux(streams)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    break
                if packet.pts is not None:  # of the sound, too: a file may announce one duration for both
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
        if self._size is None:  # all are made as large as the first, and their pixels square
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
    """Returns the decoder of a stream: libvpx for a WebM with transparency, which FFmpeg's own decoders leave out."""
    from av import CodecContext

    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if tags.get("alpha_mode") != "1" or name is None:
        return stream.codec_context
    decoder = CodecContext.create(name, "r")
    decoder.extradata = stream.codec_context.extradata
    return decoder


def _is_film(stream: Any) -> bool:
    """Whether a stream has frames that can be decoded: not one cover of an album."""
    from av.stream import Disposition

    return stream.codec_context is not None and not stream.disposition & Disposition.attached_pic


def _upright(pixels: np.ndarray, matrix: Any) -> np.ndarray:
    """Turns and mirrors pixels as a display matrix says: (x, y) is shown at (a x + c y, b x + d y)."""
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32)[:5].tolist()
    across, down = a, d
    if abs(b) > abs(a):
        pixels, across, down = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])
