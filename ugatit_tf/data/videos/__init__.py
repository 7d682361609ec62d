"""Video files by PyAV, an extra: `pip install -r requirements-video.txt`."""

import importlib.util
import re
import stat
from pathlib import Path
from typing import Any

from ugatit_tf.data import images
from ugatit_tf.data.videos import gif
from ugatit_tf.errors import RunError

# By the ending of a result: FFmpeg's name of its container. All other videos become MP4 files.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".webm": "webm", ".gif": "gif"}
KINDS = "MP4, MOV, WebM, MKV, AVI or animated GIF"
_ENDINGS = CONTAINERS.keys() | {".m4v", ".mkv", ".avi"}
_SOUND_ALONE, _STILL = (b"M4A ", b"M4B "), (b"heic", b"heix", b"mif1", b"msf1")  # other brands of such files
# The first bytes of MP4 and MOV, WebM and MKV, and AVI.
_SIGNATURE = re.compile(rb".{4}(ftyp|moov|mdat|wide|free)|\x1a\x45\xdf\xa3|RIFF.{4}AVI ", re.DOTALL)
INSTALL = "pip install -r requirements-video.txt"

# Closed lists, so that a file's content leads neither to FFmpeg's other parsers nor, by a playlist, to other files.
_OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,gif,avi", "protocol_whitelist": "file"}


class VideoError(RunError):
    """A video that cannot be read, or not written anew; the message is one line with the file and the reason."""


def is_installed() -> bool:
    """Whether there is what reads and writes videos."""
    return importlib.util.find_spec("av") is not None


def is_video(path: str) -> bool:
    """Whether a file is a video, by its first bytes, or else by its ending; a GIF is one if it has several frames."""
    first = images.first_bytes(path)
    if images.is_image(path):
        return first.startswith(b"GIF8") and gif.is_animated(path)
    is_known = bool(_SIGNATURE.match(first)) and first[8:12] not in (*_SOUND_ALONE, *_STILL)
    return is_known or Path(path).suffix.lower() in _ENDINGS - {".gif"}


def result_ending(path: str) -> str:
    """Returns the ending of a video's result: its own if `Writer` can write that kind, else that of MP4."""
    ending = Path(path).suffix.lower()
    return ending if ending in CONTAINERS else ".gif" if gif.is_animated(path) else ".mp4"


def open_to_read(path: str | Path) -> Any:
    """PyAV's container of a video file.

    Raises:
        OSError: where it cannot be opened, or is a pipe or the like.
        ValueError: where it is no video, or damaged at its beginning.
    """
    import av

    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise ValueError("a pipe, socket or device")  # reading might wait forever, or never end
    try:
        # With the protocol, as FFmpeg would take a name with a colon for another one's.
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise ValueError(f"not an intact {KINDS} file ({error.strerror})") from error
