"""Checks for packages that only some commands need and that are installed separately."""

import importlib.util

from ugatit_tf.errors import UsageError


def check(what: str, extra: str, *packages: str) -> None:
    """Raises a UsageError if packages of `requirements-<extra>.txt` that `what` needs are not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}: pip install -r requirements-{extra}.txt")
