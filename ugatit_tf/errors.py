"""Mistakes of a user, as opposed to mistakes of a programmer: shown as one line, without a traceback."""

import re


class UserError(Exception):
    """Something the user can mend; the command prints the message as one line and exits with `exit_code`."""

    exit_code = 1

    def __str__(self) -> str:
        """The message, one line whatever a flag or a file's name brings into it."""
        return shown(super().__str__())


class UsageError(UserError):
    """A flag, or a combination of flags, that makes no sense; raised before anything has started."""

    exit_code = 2


class RunError(UserError):
    """A run that cannot start or go on: a missing dataset, a damaged checkpoint, a full disk."""


def shown(text: object) -> str:
    r"""A text or path as one printable line: a line break in it becomes `\n`, a byte that is no text `\udce9`, say."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


def reason(error: Exception) -> str:
    """Why something failed, as one line: what an error says, or else its type.

    Of an OSError it is the system's words alone, as a message names the path itself, and the same from within one of
    TensorFlow's errors.
    """
    text = getattr(error, "strerror", None) or str(error)
    if hasattr(error, "error_code"):  # TensorFlow's: a place, the words and the operation; perhaps more lines
        text = re.sub(r"^.*; | \[Op:.*$", "", text.strip().partition("\n")[0])
    return " ".join(text.split()) or type(error).__name__
