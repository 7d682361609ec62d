"""Writes a video: frames at given times, with the sound of the video that they were made from."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from ugatit_tf.data import images
from ugatit_tf.data.videos import VideoError, gif
from ugatit_tf.data.videos.reader import Frame, Video
from ugatit_tf.data.videos.sound import Sound
from ugatit_tf.errors import reason, shown

_BT709 = 1  # FFmpeg's number of the colour space that every player knows


class _Codec(NamedTuple):
    name: str
    pixel_format: str
    options: dict[str, str]


# Without B-frames, which are stored in another order than they are shown: MP4 then loses the last one's duration.
_H264 = _Codec("libx264", "yuv420p", {"crf": "18", "preset": "medium", "bf": "0"})
_CODECS = {
    "mp4": _H264,
    "mov": _H264,
    "webm": _Codec("libvpx-vp9", "yuv420p", {"crf": "24", "cpu-used": "4", "row-mt": "1"}),
    "gif": _Codec("gif", "pal8", {}),
}


class Writer:
    """A video file, open for writing: a context manager. If an exception leaves it, the file is incomplete.

    Args:
        path: the path of the file.
        container: FFmpeg's name of the container, a value of `videos.CONTAINERS`.
        source: the video whose sound, time base and, for a GIF, number of repetitions are taken.
    """

    def __init__(self, path: Path, container: str, source: Video) -> None:
        import av

        self._container = container
        self._source = source
        self._durations: dict[int, int] = {}
        self._stream: Any = None
        self._palettes: gif.Palettes | None = None
        self._sound: Sound | None = None
        if container == "gif":
            options = {"loop": gif.loop_of(source.path)}
        else:
            options = {"movflags": "+faststart"} if _CODECS[container] is _H264 else {}
        self._output = av.open(f"file:{path}", "w", format=container, options=options)

    @property
    def lost(self) -> int:
        """The number of sound tracks that are left out, because no decoder reads them."""
        return self._sound.lost if self._sound else 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            with contextlib.suppress(Exception):  # the first error is the one to report
                self._output.close()
        elif self._stream:
            with self._errors():
                for frame in self._palettes.apply(None) if self._palettes else ():
                    self._encode(frame)
                self._encode(None)
                self._mux(self._sound.until(None))
                self._output.close()
        if self._sound:
            self._sound.close()

    def write(self, frame: Frame) -> None:
        """Writes a frame.

        Args:
            frame: a frame that is later than the ones before, and has their size.

        Raises:
            OSError: The file cannot be written.
            VideoError: The container or its codec does not take the frame.
        """
        with self._errors():
            if self._stream is None:
                self._start(frame.pixels)
            self._durations[frame.pts] = frame.duration
            encodable = self._encodable(frame.pixels)
            encodable.pts, encodable.time_base = frame.pts, self._source.time_base
            for ready in self._palettes.apply(encodable) if self._palettes else (encodable,):
                self._encode(ready)

    def _start(self, pixels: np.ndarray) -> None:
        """Declares the output's streams; the first frame's pixels have the size."""
        codec = _CODECS[self._container]
        self._stream = stream = self._output.add_stream(codec.name, self._source.rate, codec.options)
        height, width = self._fitting(pixels).shape[:2]
        stream.height, stream.width, stream.pix_fmt = height, width, codec.pixel_format
        context = stream.codec_context
        context.time_base = self._source.time_base
        if self._container == "gif":
            pixel_format = "rgba" if pixels.shape[-1] == 4 else "rgb24"
            self._palettes = gif.Palettes(width, height, pixel_format, self._source.time_base)
        else:
            context.colorspace = context.color_primaries = context.color_trc = _BT709
        self._sound = Sound(self._source.path, self._output)

    def _fitting(self, pixels: np.ndarray) -> np.ndarray:
        """Converts pixels for the codec: to 3 channels, or 4 for a GIF with alpha; to even sides for H.264."""
        if self._container == "gif" and pixels.shape[-1] == 4:
            return pixels
        pixels = images.with_channels(pixels, 3)
        if _CODECS[self._container] is not _H264:
            return pixels
        height, width = pixels.shape[:2]
        return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")

    def _encodable(self, pixels: np.ndarray) -> Any:
        """Returns PyAV's frame of pixels."""
        import av

        fitting = np.ascontiguousarray(self._fitting(pixels))
        frame = av.VideoFrame.from_ndarray(fitting, format="rgba" if fitting.shape[-1] == 4 else "rgb24")
        if self._palettes:
            return frame
        return frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")

    def _encode(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            # Encoders drop the duration, and the last frame's duration follows from no other time stamp.
            packet.duration = self._durations.pop(packet.pts, 0)
            self._mux(self._sound.until(packet.dts * packet.time_base))
            self._mux([packet])

    def _mux(self, packets: Iterator[Any] | list[Any]) -> None:
        for packet in packets:
            self._output.mux(packet)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Raises errors of FFmpeg as VideoError; an OSError stays."""
        import av
        from av.codec.codec import UnknownCodecError  # raised by an FFmpeg that was built without the codec

        try:
            yield
        except (av.FFmpegError, UnknownCodecError) as error:
            if isinstance(error, OSError):
                raise
            raise VideoError(f"{shown(self._source.path)}: cannot be encoded: {reason(error)}") from error
