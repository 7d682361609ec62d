"""Packages that only some commands need, and that are installed for them alone."""

import importlib.util

from ugatit_tf.errors import UsageError


def check_hub(what: str) -> None:
    """Raises a UsageError where `what` needs the package of the Hugging Face Hub, and it is not installed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        raise UsageError(f"{what} needs huggingface_hub: pip install -r requirements-hub.txt")
