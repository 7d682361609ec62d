"""`--phase prepare`: makes a dataset from two folders of pictures."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ugatit_tf.config import KEEP, Config
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.options import (
    SHARE,
    PhaseOptions,
    at_least,
    check_image_format,
    image_format,
    one_of,
    option,
    path_option,
)

if TYPE_CHECKING:
    from ugatit_tf.data.preparation.build import Domain

_LEAST_SIDE = 128  # pixels; smaller pictures are mostly thumbnails and icons


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The pictures that the dataset is made of, and how they are selected."""

    loads_tensorflow = False
    of_config = frozenset(
        ("dataset", "dataset_dir", "img_ch", "seed", "crop", "crop_A", "crop_B", "face_margin", "content_share")
        + ("no_face", "background", "background_A", "background_B", "assets")
    )

    input_A: str = path_option("", "Folder of pictures of domain A, at any depth; nothing in it is changed")
    input_B: str = path_option("", "Folder of pictures of domain B, at any depth; nothing in it is changed")
    size: int = option(286, "Side of the dataset's square pictures, in pixels", at_least(1))
    min_size: int = option(
        0,
        "Drop pictures, or squares around faces, with a side of fewer pixels; 0: the smaller of 128 and --size",
        at_least(0),
    )
    near_duplicates: str = option(
        "drop", "What to do with a picture that looks the same as a larger one", one_of(("drop", "keep"))
    )
    test_share: float = option(
        0.05,
        "Share of each domain to set apart for testing; of 48 pictures or more at least 12 are, unless it is 0",
        SHARE,
    )
    test_max: int = option(100, "The most pictures of each domain to set apart for testing", at_least(1))
    image_format: str = image_format()

    def validate(self, config: Config) -> None:
        super().validate(config)
        if not (self.input_A and self.input_B):
            raise UsageError("--phase prepare needs --input_A and --input_B.")
        if config.dataset == "demo" or ":" in config.dataset:
            raise UsageError(f"--dataset {config.dataset}: must be a folder's name for --phase prepare.")
        check_image_format(self.image_format, config.img_ch)


def run(config: Config, options: Options) -> None:
    """Writes `<dataset_dir>/<dataset>/{trainA,trainB,testA,testB}/NAME-KEY.png`, `report.json` and `report.html`.

    Raises:
        UsageError: The folders overlap.
        RunError: Files cannot be written, the dataset holds other pictures, or a network that finds faces or people
            cannot be fetched. It is also raised after the report is written if a domain has no usable picture.
    """
    from ugatit_tf.data.preparation import build
    from ugatit_tf.data.preparation.survey import Plan
    from ugatit_tf.reports import preparation

    options = dataclasses.replace(options, min_size=options.min_size or min(_LEAST_SIDE, options.size))
    own = dataclasses.asdict(options)
    inputs = {"A": Path(own.pop("input_A")), "B": Path(own.pop("input_B"))}
    root = config.dataset_root
    build.check_places(inputs, root, preparation.PICTURES)
    outcome = build.build(config, Plan(inputs, **own))

    settings = dataclasses.asdict(options) | {
        name: getattr(config, name) for name in ("face_margin", "content_share", "no_face", "seed", "img_ch")
    }
    settings |= {f"crop_{name}": crop for name, crop in outcome.crops.items()}
    settings |= {f"background_{name}": config.background_of(name) or KEEP for name in inputs}
    warnings = preparation.write(root, settings, outcome.domains, outcome.in_both)
    _print_summary(root, outcome.domains, warnings, preparation.PAGE)


def _print_summary(root: Path, domains: "Mapping[str, Domain]", warnings: Sequence[str], page: str) -> None:
    for name, domain in domains.items():
        reasons = ", ".join(f"{count} {reason}" for reason, count in domain.reasons.items())
        print(
            f"{name}: {domain.found} pictures found, {len(domain.split('train'))} to train on, "
            f"{len(domain.split('test'))} to test on, {len(domain.dropped)} dropped"
            + (f" ({reasons})" if reasons else "")
        )
        if domain.other_files:
            print(f"{name}: {domain.other_files} hidden or other files skipped")
    for warning in warnings:
        print(f"Note: {warning}")
    print(f"Report: {root / page}")
    for name, domain in domains.items():
        if not domain.kept:
            raise RunError(f"None of the {domain.found} pictures of {name} can be used: see the report.")
    print(f"Train on it with --dataset {root.name}")
