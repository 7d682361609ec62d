"""Packages that only some commands need, and that are installed for them alone."""

import importlib.util

from ugatit_tf.errors import UsageError


def check(what: str, extra: str, *packages: str) -> None:
    """Raises a UsageError where `what` needs packages of `requirements-<extra>.txt` that are not installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} needs {' and '.join(missing)}: pip install -r requirements-{extra}.txt")
