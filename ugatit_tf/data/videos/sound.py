"""Copies the sound of a video into another file, and encodes it anew only if the container does not take it."""

import contextlib
import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from ugatit_tf.data.videos import open_to_read

_ENCODERS = {"mp4": "aac", "mov": "aac", "webm": "libopus"}
_RATE = 48_000  # samples a second of encoded sound

# Yields the output's packets for a packet of the source; for None, the packets that decoder and encoder hold back.
Track = Callable[[Any], Iterator[Any]]


class Sound:
    """All sound tracks of a video: copied, or encoded anew if the container does not take their codec.

    Args:
        path: the path of the video.
        output: PyAV's container that gets the tracks, before anything is written to it.

    Attributes:
        lost: the number of tracks that are left out, because no decoder reads them.
    """

    def __init__(self, path: str, output: Any) -> None:
        self._input = open_to_read(path)
        # PyAV has no codec context for a stream that no decoder reads.
        readable = [stream for stream in self._input.streams.audio if stream.codec_context is not None]
        self.lost = len(self._input.streams.audio) - len(readable)
        self._tracks: dict[int, Track] = {
            stream.index: _copied(stream, output) or _encoded(stream, output) for stream in readable
        }
        self._packets = self._demuxed()
        self._next = next(self._packets, None)

    def until(self, time: Fraction | None) -> Iterator[Any]:
        """Yields the output's packets up to a time in seconds; None: all packets that are left."""
        while self._next is not None and (time is None or self._next.dts * self._next.time_base <= time):
            yield from self._tracks[self._next.stream.index](self._next)
            self._next = next(self._packets, None)
        if time is None:
            for track in self._tracks.values():
                yield from track(None)

    def close(self) -> None:
        """Closes the video's file."""
        self._input.close()

    def _demuxed(self) -> Iterator[Any]:
        import av

        streams = [stream for stream in self._input.streams.audio if stream.index in self._tracks]
        packets = self._input.demux(streams) if streams else iter(())
        with contextlib.suppress(av.FFmpegError):  # a damaged file ends here; `Video` reports the damage
            yield from (packet for packet in packets if packet.dts is not None)


def _copied(source: Any, output: Any) -> Track | None:
    """Returns a track that is copied, or None if the container does not take its codec."""
    try:
        stream = output.add_stream_from_template(source)
    except ValueError:
        return None
    # One sample in the source's ticks: the least step that no container rounds away.
    step = max(1, math.ceil(Fraction(1, source.rate or _RATE) / source.time_base))
    last: int | None = None

    def take(packet: Any) -> Iterator[Any]:
        nonlocal last
        if packet is None:
            return  # nothing is held back
        if last is not None and packet.dts <= last:  # containers refuse two packets of one time
            packet.dts = last + step
            packet.pts = max(packet.pts or 0, packet.dts)
        last = packet.dts
        packet.stream = stream
        yield packet

    return take


def _encoded(source: Any, output: Any) -> Track:
    """Returns a track that is decoded and encoded anew."""
    import av

    stream = output.add_stream(_ENCODERS[output.format.name], rate=_RATE)
    stream.layout = "mono" if source.channels == 1 else "stereo"
    stream.codec_context.open()  # sets the number of samples of a frame
    resampler = av.AudioResampler(stream.format, stream.layout, _RATE, stream.frame_size or None)

    def encode(frame: Any) -> Iterator[Any]:
        for resampled in resampler.resample(frame):
            yield from stream.encode(resampled)

    def take(packet: Any) -> Iterator[Any]:
        frames = []
        with contextlib.suppress(av.FFmpegError):  # a damaged packet
            frames = source.decode(packet)
        for frame in frames:
            yield from encode(frame)
        if packet is None:
            yield from encode(None)
            yield from stream.encode(None)

    return take
