"""The files beside an exported network: `signature.json` for programs, `README.md` for people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.export import formats
from ugatit_tf.networks.generator import DOWNSAMPLING
from ugatit_tf.system.files import write_atomically

# Of the rest, some tell the places of the machine that it was trained on.
_TOLD = (*sorted(ARCHITECTURE), "gan_type", "GP_ld", "adv_weight", "cycle_weight", "identity_weight", "cam_weight")
_TOLD += ("epoch", "iteration", "batch_size", "lr", "decay_flag", "decay_epoch", "n_critic", "augment_flag")
_TOLD += ("flip", "diffaugment", "ema", "seed")
_COLOURS = {1: "grayscale", 3: "RGB", 4: "RGBA"}
_NO_LICENCE = "not stated: whoever trained it fills this in, with regard to the rights in the training pictures"
_FACTS = """\
| | |
| --- | --- |
| dataset | {dataset} |
| trained | {step} steps |
| images | {size} x {size}, {colours}; pixels are uint8 from 0 to 255, floats from -1 to 1 |
| licence | {licence} |"""
_CARD = """\
# {model_name}: {dataset}, {source} to {target}

Translates pictures such as those of `train{source}` into pictures such as those of `train{target}` (U-GAT-IT,
[arXiv:1907.10830](https://arxiv.org/abs/1907.10830)).

{facts}

`signature.json` says what goes in and out of each file.

## How to load it

{usage}
## Configuration

{configuration}
"""


def write(folder: Path, direction: str, step: int, config: Config, names: Sequence[str]) -> None:
    """Writes `signature.json` and `README.md` into a direction's folder.

    Args:
        folder: exists.
        direction: "A2B" or "B2A".
        step: the steps that it was trained for.
        config: what it was trained with; `img_size` is the export's.
        names: the formats that the folder holds.
    """
    write_signature(folder, direction, config, names)
    text = _CARD.format(
        model_name=config.model_name,
        dataset=Path(config.dataset).name,
        source=direction[0],
        target=direction[-1],
        facts=facts_of(step, config, _NO_LICENCE),
        usage="\n".join(_fill(formats.get(name).usage, config) for name in names),
        configuration=configuration_of(config),
    )
    write_atomically(folder / "README.md", text.encode())


def facts_of(step: int, config: Config, licence: str) -> str:
    """What a network is, as a table.

    Args:
        step: the steps that it was trained for.
        config: what it was trained with; `img_size` is the export's.
        licence: in words.
    """
    return _FACTS.format(
        dataset=Path(config.dataset).name,
        step=step,
        size=config.img_size,
        colours=_COLOURS[config.img_ch],
        licence=licence,
    )


def configuration_of(config: Config) -> str:
    """What the network is and how it was trained, as far as that tells nothing of a machine."""
    return ", ".join(f"{name} {_or_none(getattr(config, name))}" for name in _TOLD)


def write_signature(folder: Path, direction: str, config: Config, names: Sequence[str]) -> None:
    """Writes `signature.json` alone; arguments as for `write`."""
    signature = signature_of(direction, config, names)
    write_atomically(folder / "signature.json", (json.dumps(signature, indent=2) + "\n").encode())


def signature_of(direction: str, config: Config, names: Sequence[str]) -> dict[str, Any]:
    """The content of `signature.json`; arguments as for `write`."""
    return {
        "direction": direction,
        "image_size": config.img_size,
        "image_channels": config.img_ch,
        "formats": {name: _fill(formats.get(name).signature, config) for name in names},
    }


def _or_none(value: Any) -> Any:
    return "none" if value == "" else value


def _fill(template: Any, config: Config) -> Any:
    """Puts the numbers into a text, or into all texts of a dict."""
    if isinstance(template, dict):
        return {key: _fill(value, config) for key, value in template.items()}
    numbers = {"size": config.img_size, "features": config.img_size // DOWNSAMPLING, "channels": config.img_ch}
    for name, number in numbers.items():  # not str.format: a text may hold other braces
        template = template.replace(f"{{{name}}}", str(number))
    return template
