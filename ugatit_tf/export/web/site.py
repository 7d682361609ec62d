"""The page that runs a network: its files, and the settings that tell it which network that is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ugatit_tf import json_files
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.config import Config
from ugatit_tf.data.preparation import prepared
from ugatit_tf.direction import Direction

FOLDER = Path(__file__).with_name("page")
SETTINGS = "settings.json"


def settings(config: Config, checkpoint: Checkpoint) -> dict[str, Any]:
    """What the page has to know of a run.

    Args:
        config: of the run, as it is asked for now.
        checkpoint: whose generators are run.

    Returns:
        `dataset`, `network`, `size` and `channels` of its images, and `directions`, from "A2B" and "B2A" to what
        `prepared.treatment` returns: how pictures become squares.
    """
    return {
        "dataset": Path(config.dataset).name,
        "network": config.model_name,
        "size": checkpoint.config.img_size,
        "channels": checkpoint.config.img_ch,
        "directions": {direction: prepared.treatment(config, direction.source) for direction in Direction},
    }


def encode(values: Mapping[str, Any]) -> bytes:
    """The content of SETTINGS."""
    return json_files.dumps(values, indent=2)
