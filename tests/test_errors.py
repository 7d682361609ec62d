import os
from pathlib import Path

import pytest
import tensorflow as tf

from ugatit_tf.errors import RunError, UsageError, reason, shown


def test_a_message_is_one_line_whatever_is_in_it():
    message = "no größer\n.png\r\x1b[2J\u2028\udc80 here"
    assert str(RunError(message)) == "no größer\\n.png\\r\\x1b[2J\\u2028\\udc80 here"
    assert str(UsageError("--ch 0: must be at least 1.")) == "--ch 0: must be at least 1."


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("셀카 'a' <b> \U0001f600.png", "셀카 'a' <b> \U0001f600.png"),
        ("two\nlines\t.png", "two\\nlines\\t.png"),
        ("\x1b[31mred\u202e.png", "\\x1b[31mred\\u202e.png"),
        (Path(os.fsdecode(b"caf\xe9.png")), "caf\\udce9.png"),
    ],
)
def test_any_path_is_shown_in_one_printable_line(path, line):
    assert shown(path) == line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "/a/path"), "No space left on device"),
        (OSError("two\n  lines"), "two lines"),
        (OSError(), "OSError"),
        (ValueError("a; b [Op:c]"), "a; b [Op:c]"),
        (KeyError(), "KeyError"),
    ],
)
def test_the_reason_for_an_error_is_one_line(error, line):
    assert reason(error) == line


def test_the_reason_for_an_error_of_tensorflow_is_the_systems(tmp_path):
    with pytest.raises(tf.errors.NotFoundError) as caught:
        tf.io.read_file(str(tmp_path / "missing"))
    assert str(tmp_path) in str(caught.value)
    assert reason(caught.value) == "No such file or directory"
    assert reason(tf.errors.DataLossError(None, None, "\nnot a table\nof any kind")) == "not a table"
    assert reason(tf.errors.AbortedError(None, None, "")) == "AbortedError"
