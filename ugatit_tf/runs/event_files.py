"""TensorBoard's event files: dropping the points that a resumed run writes again."""

import os
import struct
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from ugatit_tf.errors import RunError, reason

_HEADER = 12  # bytes before a record's data: its length, and the length's checksum
_FOOTER = 4  # behind it: the data's checksum


def add_scalars(folder: Path, step: int, values: Mapping[str, float]) -> None:
    """Adds a point to some curves, in an event file of its own.

    Raises:
        RunError: where it cannot be written.
    """
    try:
        with tf.summary.create_file_writer(str(folder)).as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
    except tf.errors.OpError as error:
        raise RunError(f"cannot write to {folder}: {reason(error)}") from error


def cut(folder: Path, step: int) -> None:
    """Takes the points of later steps out of a run's event files, as those steps are done anew.

    TensorBoard hides such points by itself, but not in all of its readers. A file holds its points in the order of
    their steps, so it is cut off; what cannot be read stays as it is.

    Args:
        folder: of the event files.
        step: the last whose points stay.

    Raises:
        RunError: where a file cannot be cut.
    """
    for path in folder.glob("events.out.tfevents.*"):
        try:
            size = path.stat().st_size
            end = _end(path, size, step)
            if end < size:
                os.truncate(path, end)
        except OSError as error:
            raise RunError(f"cannot take the points after step {step} out of {path}: {error.strerror}") from error


def _end(path: Path, size: int, step: int) -> int:
    """Where the first point of a later step begins."""
    with path.open("rb") as file:
        while len(header := file.read(_HEADER)) == _HEADER:
            start = file.tell() - _HEADER
            (length,) = struct.unpack("<Q", header[:8])
            if file.tell() + length + _FOOTER > size:  # the writer was killed here
                break
            data = file.read(length + _FOOTER)[:length]
            try:
                event = tf.compat.v1.Event.FromString(data)
            except DecodeError:
                break
            if event.step > step:
                return start
    return size
