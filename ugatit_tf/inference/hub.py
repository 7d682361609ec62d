"""Downloads networks from the Hugging Face Hub. This is an extra: `pip install -r requirements-hub.txt`."""

import re
from pathlib import Path

from ugatit_tf.errors import RunError, reason
from ugatit_tf.system import startup

_ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(@(?P<revision>\S+))?")
_FILE = "generator.keras"  # in a folder by the direction's name, as the export phase writes it


def is_address(path: str | Path) -> bool:
    """Returns whether a text is an address of the Hub and not a path."""
    return str(path).startswith("hf://")


def fetch(address: str, direction: str) -> Path:
    """Downloads the `.keras` file of a repository made by `--export_format huggingface`, and returns its path.

    The file is kept in the Hub's cache.

    Args:
        address: "hf://USER/NAME", or "hf://USER/NAME@REVISION" with a branch, a tag or a commit.
        direction: "A2B" or "B2A".

    Raises:
        UsageError: The package is not installed.
        RunError: The text is not an address, the repository, revision or file does not exist, or the file is not in
            the cache and the Hub cannot be reached.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise RunError(f"{address} is no address of the Hub, such as hf://USER/NAME or hf://USER/NAME@REVISION.")
    startup.require_packages(address, "hub", "huggingface_hub")
    import huggingface_hub
    from huggingface_hub import errors

    name, revision = f"{direction}/{_FILE}", match["revision"]
    try:
        return Path(huggingface_hub.hf_hub_download(match["repository"], name, revision=revision))
    except errors.GatedRepoError as error:  # before its base, RepositoryNotFoundError
        raise RunError(f"{address} gives access to those who ask for it alone: ask there, and log in.") from error
    except errors.RepositoryNotFoundError as error:
        raise RunError(f"{address} is no repository of the Hub, or a private one: for that, log in first.") from error
    except errors.RevisionNotFoundError as error:
        raise RunError(f"{address}: the repository has no revision {revision}.") from error
    except errors.RemoteEntryNotFoundError as error:
        raise RunError(f"{address} has no {name}: --export_format huggingface has not made it.") from error
    except errors.LocalEntryNotFoundError as error:
        why = reason(error.__cause__ or error)
        raise RunError(f"{address}: its {name} is not in the cache, and the Hub cannot be reached: {why}") from error
    except Exception as error:  # the HTTP client below raises its own errors
        raise RunError(f"{address} cannot be fetched: {reason(error)}") from error
