"""The files that describe an exported network: `signature.json` for programs, `README.md` for people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ugatit_tf import json_files
from ugatit_tf.config import ARCHITECTURE, KEEP, Config
from ugatit_tf.data.preparation import prepared
from ugatit_tf.direction import Direction
from ugatit_tf.export import formats, tflite
from ugatit_tf.networks.generator import DOWNSAMPLING
from ugatit_tf.system.files import write_atomically

# The published options. The others include paths of the training machine.
_PUBLISHED = (*sorted(ARCHITECTURE), "gan_type", "GP_ld", "adv_weight", "cycle_weight", "identity_weight", "cam_weight")
_PUBLISHED += ("epoch", "iteration", "batch_size", "lr", "decay_flag", "decay_epoch", "n_critic", "augment_flag")
_PUBLISHED += ("flip", "diffaugment", "ema", "seed")
_COLOURS = {1: "grayscale", 3: "RGB", 4: "RGBA"}
_NO_LICENCE = "not stated: whoever trained it fills this in, with regard to the rights in the training pictures"
_FACTS = """\
| | |
| --- | --- |
| dataset | {dataset} |
| trained | {step} steps |
| images | {size} x {size}, {colours}; pixels are uint8 from 0 to 255, floats from -1 to 1 |
| pictures | {pictures} |
| licence | {licence} |"""
_CARD = """\
# {model_name}: {dataset}, {source} to {target}

Translates pictures such as those of `train{source}` into pictures such as those of `train{target}` (U-GAT-IT,
[arXiv:1907.10830](https://arxiv.org/abs/1907.10830)).

{facts}

`signature.json` describes the inputs and outputs of each file.

## How to load it

{usage}
## Configuration

{configuration}
"""


def write(folder: Path, direction: str, step: int, config: Config, names: Sequence[str]) -> None:
    """Writes `signature.json` and `README.md` into a direction's folder.

    Args:
        folder: the existing folder, with the exported files; the text names only TFLite files that lie there.
        direction: "A2B" or "B2A".
        step: completed training steps.
        config: the training configuration, with the export's `img_size`.
        names: the formats in the folder, keys of `formats.FORMATS`.
    """
    signature = write_signature(folder, direction, config, names)
    text = _CARD.format(
        model_name=config.model_name,
        dataset=Path(config.dataset).name,
        source=Direction(direction).source,
        target=Direction(direction).target,
        facts=facts_of(step, config, _NO_LICENCE),
        usage="\n".join(_usage(name, signature["formats"][name], config) for name in names),
        configuration=configuration_of(config),
    )
    write_atomically(folder / "README.md", text.encode())


def facts_of(step: int, config: Config, licence: str) -> str:
    """Returns a Markdown table of facts about a network.

    Args:
        step: completed training steps.
        config: the training configuration, with the export's `img_size`.
        licence: the licence in words.
    """
    return _FACTS.format(
        dataset=Path(config.dataset).name,
        step=step,
        size=config.img_size,
        colours=_COLOURS[config.img_ch],
        pictures=_pictures(config),
        licence=licence,
    )


def _pictures(config: Config) -> str:
    """Returns in words how the pictures of both domains became squares."""
    texts = []
    for domain in "AB":
        treatment = prepared.treatment(config, domain)
        background = treatment["background"]
        texts.append(
            f"{domain}: cropped by `{treatment['crop']}`"
            + (f" with margin {treatment['face_margin']:g}" if treatment["crop"] == "face" else "")
            + ("" if background == KEEP else f", on the background {background}")
        )
    return "; ".join(texts)


def configuration_of(config: Config) -> str:
    """Returns the options of network and training as text, without paths of the training machine."""
    values = {name: getattr(config, name) for name in _PUBLISHED}
    return ", ".join(f"{name} {'none' if value == '' else value}" for name, value in values.items())


def write_signature(folder: Path, direction: str, config: Config, names: Sequence[str]) -> dict[str, Any]:
    """Writes `signature.json` alone, and returns its content; arguments as for `write`."""
    described = {name: _fill(formats.FORMATS[name].signature, config) for name in names}
    if "tflite" in described:
        described["tflite"] = {
            name: text
            for name, text in described["tflite"].items()
            if (folder / tflite.FOLDER / f"{name}.tflite").is_file()
        }
    signature = {
        "direction": direction,
        "image_size": config.img_size,
        "image_channels": config.img_ch,
        "input": prepared.treatment(config, Direction(direction).source),
        "formats": described,
    }
    write_atomically(folder / "signature.json", json_files.dumps(signature, indent=2))
    return signature


def _usage(name: str, signature: Mapping[str, Any], config: Config) -> str:
    """Returns how to load a format; `{files}` becomes a list of the format's files and their signatures."""
    files = "\n".join(f"- `{file}`: {text}" for file, text in signature.items())
    return _fill(formats.FORMATS[name].usage, config).replace("{files}", files)


def _fill(template: Any, config: Config) -> Any:
    """Replaces the placeholders by numbers in a text, or in all texts of a dict."""
    if isinstance(template, dict):
        return {key: _fill(value, config) for key, value in template.items()}
    numbers = {"size": config.img_size, "features": config.img_size // DOWNSAMPLING, "channels": config.img_ch}
    for name, number in numbers.items():  # str.format would fail on the other braces of a text
        template = template.replace(f"{{{name}}}", str(number))
    return template
