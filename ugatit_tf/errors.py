"""Errors that a user can correct. The command prints them as one line, without a traceback."""

import re


class UserError(Exception):
    """An error that the user can correct. The command prints its message as one line and exits with `exit_code`."""

    exit_code = 1

    def __str__(self) -> str:
        """Returns the message as one line, even if a flag or a file name in it has line breaks."""
        return shown(super().__str__())


class UsageError(UserError):
    """A flag, or a combination of flags, is not allowed. It is raised before any work has started."""

    exit_code = 2


class RunError(UserError):
    """A run cannot start or continue: a dataset is missing, a checkpoint is damaged, the disk is full."""


def shown(text: object) -> str:
    r"""Returns a text or path as one printable line: a line break becomes `\n`, an undecodable byte `\udce9`."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


def reason(error: Exception) -> str:
    """Returns the reason of an error as one line: its message, or its type if it has none.

    For an OSError this is the system's text without the path, since our messages name the path themselves. The same
    holds for such a text inside one of TensorFlow's errors.
    """
    text = getattr(error, "strerror", None) or str(error)
    if hasattr(error, "error_code"):  # TensorFlow's message: the path, the text, the operation, and perhaps more lines
        text = re.sub(r"^.*; | \[Op:.*$", "", text.strip().partition("\n")[0])
    return " ".join(text.split()) or type(error).__name__
