"""Mistakes of a user, as opposed to mistakes of a programmer: shown as one line, without a traceback."""


class UserError(Exception):
    """Something the user can mend; `main.py` prints the message as one line and exits with `exit_code`."""

    exit_code = 1

    def __str__(self) -> str:
        """The message, one line whatever a flag or a file's name brings into it."""
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in super().__str__())


class UsageError(UserError):
    """A flag, or a combination of flags, that makes no sense; raised before anything has started."""

    exit_code = 2


class RunError(UserError):
    """A run that cannot start or go on: a missing dataset, a damaged checkpoint, a full disk."""
