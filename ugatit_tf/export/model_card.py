"""The files that describe exported networks: `signature.json` for programs, `README.md` for people."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

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
_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


def write(folder: Path, direction: str, step: int, config: Config, names: Sequence[str]) -> None:
    """Writes `signature.json` and `README.md` into a direction's folder.

    Args:
        folder: the existing folder, with the exported files; the text names only TFLite files that lie there.
        direction: "A2B" or "B2A".
        step: completed training steps.
        config: the training configuration, with the export's `img_size`.
        names: the formats in the folder, keys of `formats.FORMATS`.
    """
    described = write_signature(folder, direction, config, names)
    text = render("network.md.jinja", step, config, direction=Direction(direction), formats=described)
    write_atomically(folder / "README.md", text.encode())


def render(template: str, step: int, config: Config, **values: Any) -> str:
    """Returns a model card. It has no paths of the training machine.

    Args:
        template: the name of a file in `templates/`.
        step: completed training steps.
        config: the training configuration, with the export's `img_size`.
        **values: further values for the template.
    """
    published = {name: getattr(config, name) for name in _PUBLISHED}
    return _TEMPLATES.get_template(template).render(
        config=config,
        dataset=Path(config.dataset).name,
        step=step,
        size=config.img_size,
        channels=config.img_ch,
        colours=_COLOURS[config.img_ch],
        pictures=_pictures(config),
        configuration=", ".join(f"{name} {'none' if value == '' else value}" for name, value in published.items()),
        **values,
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


def write_signature(folder: Path, direction: str, config: Config, names: Sequence[str]) -> dict[str, Any]:
    """Writes `signature.json` alone; arguments as for `write`. Returns the descriptions of the formats' files."""
    numbers = {"size": config.img_size, "features": config.img_size // DOWNSAMPLING, "channels": config.img_ch}
    described = {name: _fill(formats.FORMATS[name].signature, numbers) for name in names}
    for name in list(described.get("tflite", ())):
        if not (folder / tflite.FOLDER / f"{name}.tflite").is_file():
            del described["tflite"][name]
    signature = {
        "direction": direction,
        "image_size": config.img_size,
        "image_channels": config.img_ch,
        "input": prepared.treatment(config, Direction(direction).source),
        "formats": described,
    }
    write_atomically(folder / "signature.json", json_files.dumps(signature, indent=2))
    return described


def _fill(template: str | dict, numbers: dict[str, int]) -> Any:
    """Replaces the placeholders in a text, or in all texts of a dict, by numbers."""
    if isinstance(template, dict):
        return {key: _fill(value, numbers) for key, value in template.items()}
    return template.format(**numbers)
