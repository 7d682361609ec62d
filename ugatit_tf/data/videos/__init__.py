"""Recognises and opens video files by PyAV, an extra package: `pip install -r requirements-video.txt`."""

import importlib.util
import re
import stat
from pathlib import Path
from typing import Any

from ugatit_tf.data import images
from ugatit_tf.data.videos import gif
from ugatit_tf.errors import RunError

# FFmpeg's name of the container of a result, by its ending. All other videos become MP4 files.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".webm": "webm", ".gif": "gif"}
KINDS = "MP4, MOV, WebM, MKV, AVI or animated GIF"
_ENDINGS = CONTAINERS.keys() | {".m4v", ".mkv", ".avi"}
# The brands of files in MP4's form that hold no video: sound alone, still pictures.
_OTHER_BRANDS = (b"M4A ", b"M4B ", b"heic", b"heix", b"mif1", b"msf1")
# The first bytes of files: MP4 and MOV; WebM and MKV; AVI.
_SIGNATURE = re.compile(rb".{4}(ftyp|moov|mdat|wide|free)|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", re.DOTALL)
INSTALL = "pip install -r requirements-video.txt"

# The lists are closed, so that a file reaches none of FFmpeg's other parsers, and a playlist opens no other file.
_OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,gif,avi", "protocol_whitelist": "file"}


class VideoError(RunError):
    """A video cannot be read, or its result cannot be encoded. The message is one line with the file and the reason."""


def is_installed() -> bool:
    """Returns whether PyAV, which reads and writes videos, is installed."""
    return importlib.util.find_spec("av") is not None


def is_video(path: str) -> bool:
    """Returns whether a file is a video, by its first bytes, or else by its ending. A GIF needs several frames."""
    first = images.first_bytes(path)
    if images.begins_as_image(first):
        return first.startswith(b"GIF8") and gif.is_animated(path)
    is_known = bool(_SIGNATURE.match(first)) and first[8:12] not in _OTHER_BRANDS
    return is_known or Path(path).suffix.lower() in _ENDINGS - {".gif"}


def result_ending(path: str) -> str:
    """Returns the ending of a video's result: the video's own if `Writer` writes that kind, else .gif or .mp4."""
    ending = Path(path).suffix.lower()
    return ending if ending in CONTAINERS else ".gif" if gif.is_animated(path) else ".mp4"


def open_to_read(path: str | Path) -> Any:
    """Opens a video file; returns PyAV's container.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The file is no video, is damaged at its beginning, or is a pipe, socket or device.
    """
    import av

    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise ValueError("a pipe, socket or device")  # reading might never end
    try:
        # Without "file:", FFmpeg would take the part of a name before a colon for a protocol.
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise ValueError(f"not an intact {KINDS} file ({error.strerror})") from error
