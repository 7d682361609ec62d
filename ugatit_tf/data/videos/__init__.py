"""Video files by PyAV, an extra: `pip install -r requirements-video.txt`."""

import contextlib
import importlib.util
import stat
from pathlib import Path
from typing import Any

from ugatit_tf.data.videos import gif
from ugatit_tf.errors import RunError

# By ending: FFmpeg's name of what is written.
CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".webm": "webm", ".gif": "gif"}
KINDS = "MP4, MOV, WebM or animated GIF"  # the same, in words
INSTALL = "pip install -r requirements-video.txt"

# Closed lists, so that a file's content leads neither to FFmpeg's other parsers nor, by a playlist, to other files.
_OPTIONS = {"format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,gif", "protocol_whitelist": "file"}


class VideoError(RunError):
    """A video that cannot be read, or not written anew; the message is one line with the file and the reason."""


def is_installed() -> bool:
    """Whether there is what reads and writes videos."""
    return importlib.util.find_spec("av") is not None


def is_video(path: str) -> bool:
    """Whether a file is to be taken for a video: by its ending; a GIF where it has more than one frame."""
    ending = Path(path).suffix.lower()
    return gif.is_animated(path) if ending == ".gif" else ending in CONTAINERS


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


def comment_of(path: Path) -> str:
    """The comment that a `Writer` gave to a file; "" where there is none, or no such file."""
    with contextlib.suppress(OSError, ValueError):
        if path.suffix == ".gif":
            return gif.comment_of(path)
        with open_to_read(path) as container:
            return {name.lower(): value for name, value in container.metadata.items()}.get("comment", "")
    return ""
