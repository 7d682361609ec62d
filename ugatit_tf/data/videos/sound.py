"""Copies the sound of a video into another file, and encodes it anew only if the container does not take it."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from ugatit_tf.data.videos import open_to_read

_ENCODERS = {"mp4": "aac", "mov": "aac", "webm": "libopus"}
_RATE = 48_000  # samples a second of encoded sound


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
        self.lost = 0
        self._tracks = {}
        for stream in self._input.streams.audio:
            track = _Copied.of(stream, output) or _Encoded.of(stream, output)
            if track is None:
                self.lost += 1
            else:
                self._tracks[stream.index] = track
        self._packets = self._demuxed()
        self._next = next(self._packets, None)

    def until(self, time: Fraction | None) -> Iterator[Any]:
        """Yields the output's packets up to a time in seconds; None: all packets that are left."""
        while self._next is not None and (time is None or self._next.dts * self._next.time_base <= time):
            yield from self._tracks[self._next.stream.index].take(self._next)
            self._next = next(self._packets, None)
        if time is None:
            for track in self._tracks.values():
                yield from track.rest()

    def close(self) -> None:
        """Closes the video's file."""
        self._input.close()

    def _demuxed(self) -> Iterator[Any]:
        import av

        streams = [stream for stream in self._input.streams.audio if stream.index in self._tracks]
        packets = self._input.demux(streams) if streams else iter(())
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # a damaged file ends here; `Video` reports the damage
                return
            if packet is None:
                return
            if packet.dts is not None:
                yield packet


class _Copied:
    """A sound track that is copied."""

    def __init__(self, source: Any, stream: Any) -> None:
        self._stream = stream
        # One sample in the source's ticks: the least step that no container rounds away.
        self._step = max(1, math.ceil(Fraction(1, source.rate or _RATE) / source.time_base))
        self._last: int | None = None

    @classmethod
    def of(cls, stream: Any, output: Any) -> "_Copied | None":
        """Returns the copied track, or None if the container does not take the codec."""
        if stream.codec_context is None:
            return None
        try:
            return cls(stream, output.add_stream_from_template(stream))
        except ValueError:
            return None

    def take(self, packet: Any) -> Iterator[Any]:
        """Yields the packet. It gets a later time if the packet before has the same: containers refuse such pairs."""
        if self._last is not None and packet.dts <= self._last:
            packet.dts = self._last + self._step
            packet.pts = max(packet.pts or 0, packet.dts)
        self._last = packet.dts
        packet.stream = self._stream
        yield packet

    def rest(self) -> Iterator[Any]:
        """Returns no packets: nothing is held back."""
        return iter(())


class _Encoded:
    """A sound track that is decoded and encoded anew."""

    def __init__(self, source: Any, stream: Any, resampler: Any) -> None:
        self._source = source
        self._stream = stream
        self._resampler = resampler

    @classmethod
    def of(cls, source: Any, output: Any) -> "_Encoded | None":
        """Returns the track to encode, or None if no decoder reads it."""
        from av import AudioResampler

        if source.codec_context is None:
            return None
        stream = output.add_stream(_ENCODERS[output.format.name], rate=_RATE)
        stream.layout = "mono" if source.channels == 1 else "stereo"
        stream.codec_context.open()  # sets the number of samples of a frame
        return cls(source, stream, AudioResampler(stream.format, stream.layout, _RATE, stream.frame_size or None))

    def take(self, packet: Any) -> Iterator[Any]:
        """Yields the packets that a packet of the source becomes; None: those that its decoder holds back."""
        import av

        try:
            frames = self._source.decode(packet)
        except av.FFmpegError:
            return
        for frame in frames:
            yield from self._encode(frame)

    def rest(self) -> Iterator[Any]:
        """Yields the packets that decoder, resampler and encoder hold back."""
        yield from self.take(None)
        yield from self._encode(None)
        yield from self._stream.encode(None)

    def _encode(self, frame: Any) -> Iterator[Any]:
        for resampled in self._resampler.resample(frame):
            yield from self._stream.encode(resampled)
