"""Mistakes of a user, as opposed to mistakes of a programmer: shown as one line, without a traceback."""


class UserError(Exception):
    """Something the user can mend; `main.py` prints the message as one line and exits with `exit_code`."""

    exit_code = 1


class UsageError(UserError):
    """A flag, or a combination of flags, that makes no sense; raised before anything has started."""

    exit_code = 2


class RunError(UserError):
    """A run that cannot start or go on: a missing dataset, a damaged checkpoint, a full disk."""
