"""Small videos, made by PyAV (GIFs by Pillow), as people have them."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 200, 30), (30, 30, 200), (255, 255, 255)
EVEN = tuple(number / 10 for number in range(10))  # seconds
UNEVEN = (0.0, 0.1, 0.2, 0.5, 0.54, 0.6, 1.0, 1.3)
_PICTURES = {".mp4": "libx264", ".mov": "libx264", ".webm": "libvpx-vp9"}
_SOUNDS = {".mp4": "aac", ".mov": "aac", ".webm": "libopus"}
_RATE = 48_000  # samples a second


def quarters(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    """Red and green over blue and white, uint8 `[height, width, 3]`, darker from frame to frame."""
    colours = np.array([RED, GREEN, BLUE, WHITE]).reshape(2, 2, 3) * 0.93**number
    return np.rint(colours).astype(np.uint8).repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def make(
    path: Path,
    times: Sequence[float] = EVEN,
    *,
    draw: Callable[[int], np.ndarray] = quarters,
    last: float = 0.2,
    rotation: int = 0,
    mirrored: bool = False,
    aspect: Fraction = Fraction(1),
    sound: str | bool = False,
    container: str = "",
    faststart: bool = False,
) -> None:
    """Writes a video, by its name's ending.

    Args:
        path: of the file.
        times: of the frames, in seconds.
        draw: a frame by its number, uint8 `[H, W, 3]`.
        last: how long the last frame is shown, in seconds.
        rotation: of the display matrix, in degrees, counterclockwise.
        mirrored: whether that matrix also flips what is shown, left to right.
        aspect: of the pixels: width by height.
        sound: whether there is some, or its codec.
        container: another one than the name says, as FFmpeg names it.
        faststart: of MP4 and MOV: whether the index comes first, so that a part of the file can be read.
    """
    if path.suffix == ".gif":
        ends = [*times[1:], times[-1] + last]
        durations = [round(1000 * (end - time)) for time, end in zip(times, ends, strict=True)]
        first, *others = (Image.fromarray(draw(number)) for number in range(len(times)))
        first.save(path, save_all=True, append_images=others, duration=durations, loop=3)
        return
    unit = Fraction(1, 1000)
    options = {"movflags": "+faststart"} if faststart and path.suffix != ".webm" else {}
    with av.open(str(path), "w", format=container or None, options=options) as output:
        video = output.add_stream(_PICTURES[path.suffix], 10, {"crf": "8"})
        video.height, video.width, _ = draw(0).shape
        video.pix_fmt, video.codec_context.time_base = "yuv420p", unit
        video.codec_context.sample_aspect_ratio = aspect
        if rotation or mirrored:
            video.set_display_rotation(rotation, mirrored)
        if sound:
            track = output.add_stream(_SOUNDS[path.suffix] if sound is True else sound, _RATE)
            resampler = av.AudioResampler(track.format, "stereo", _RATE, track.frame_size or None)
        durations = {}
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(draw(number))
            frame.pts, frame.time_base = round(time / unit), unit
            durations[frame.pts] = round((last if number == len(times) - 1 else times[number + 1] - time) / unit)
            _mux(output, video.encode(frame), durations)
            if sound:
                output.mux([packet for part in resampler.resample(_tone(number)) for packet in track.encode(part)])
        _mux(output, video.encode(None), durations)
        if sound:
            output.mux(track.encode(None))


def _mux(output: av.container.OutputContainer, packets: list[av.Packet], durations: dict[int, int]) -> None:
    for packet in packets:
        packet.duration = durations[packet.pts]
        output.mux(packet)


def _tone(number: int) -> av.AudioFrame:
    """A tenth of a second of sound."""
    size = _RATE // 10
    wave = np.sin(2 * np.pi * 440 / _RATE * (number * size + np.arange(size))) / 4
    frame = av.AudioFrame.from_ndarray(np.float32([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = _RATE, number * size, Fraction(1, _RATE)
    return frame
