"""The configuration of a run: every option that is saved with it, and the names that follow from them."""

import dataclasses
import functools
import json
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from ugatit_tf import depth
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.options import (
    NOT_EMPTY,
    POSITIVE,
    SHARE,
    Constraint,
    OptionSet,
    at_least,
    between,
    one_of,
    option,
    split_commas,
    unset_or_one_of,
    unset_or_some_of,
)

GAN_TYPES = ("gan", "lsgan", "wgan-gp", "wgan-lp", "dragan", "hinge")
DIFFAUGMENT_POLICIES = ("color", "translation", "cutout")
PRECISIONS = ("float32", "bfloat16", "float16")
CROPS = ("center", "face", "none", "squeeze")
IMAGE_CHANNELS = (1, 3, 4)
BEST_BY = ("KID", "FID", "l1", "cycle")
CONFIG_FILE = "config.json"

_NETWORK = "The network"
_data, _network, _losses, _training, _saving, _places = (
    functools.partial(option, group=group, is_path=group == "Where files go")
    for group in ("The data", _NETWORK, "The losses", "The training", "What is saved when", "Where files go")
)


@dataclasses.dataclass(frozen=True)
class Config(OptionSet):
    """The configuration of a run. Names and defaults are the reference's where the reference has them."""

    dataset: str = _data(
        "selfie2anime", "folder under dataset_dir, `tfds:NAME`, or `demo` for built-in faces", NOT_EMPTY, is_path=True
    )
    augment_flag: bool = _data(True, "random crop and flip; without it images are only resized")
    flip: bool = _data(True, "augment_flag also mirrors images left to right; False suits text and one-sided faces")
    crop: str = _data(
        "",
        "how pictures become square; unset: prepare center, translate as prepared, else squeeze",
        unset_or_one_of(CROPS),
    )
    crop_A: str = _data("", "as crop, for A alone", unset_or_one_of(CROPS))
    crop_B: str = _data("", "as crop, for B alone", unset_or_one_of(CROPS))
    face_margin: float = _data(0.5, "crop face: room on each side of the face, in faces", at_least(0))
    no_face: str = _data("skip", "crop face: what to do without a face", one_of(("skip", "center")))

    light: bool = _network(False, "the light generator: 26 times smaller, any image size")
    ch: int = _network(64, "channels of the first layers", between(1, 4096))
    n_res: int = _network(4, "residual blocks in the encoder, and as many in the decoder", between(1, 256))
    n_dis: int = _network(
        6, "depth of the discriminators; lowered by itself for small images", between(depth.SMALLEST_N_DIS, 16)
    )
    img_size: int = _network(
        256,
        "side of the square images, in pixels",
        Constraint("a multiple of 4, at least 4", lambda value: value >= 4 and value % 4 == 0),
    )
    img_ch: int = _network(3, "channels of the images: grey, RGB or RGBA", one_of(IMAGE_CHANNELS))
    smoothing: bool = _network(True, "AdaLIN smoothing")
    sn: bool = _network(True, "spectral norm in the discriminators")
    cam_heads: int = _network(
        1, "Dense units of the generator's CAM: one for both pools, or one for each", one_of((1, 2))
    )
    unbiased: bool = _network(False, "unbiased variances, over N - 1, in AdaLIN and LIN")

    gan_type: str = _losses("lsgan", "adversarial loss", one_of(GAN_TYPES))
    GP_ld: float = _losses(10.0, "weight of the gradient penalty (wgan-gp, wgan-lp, dragan)", at_least(0))
    adv_weight: float = _losses(1.0, "weight of the adversarial loss", at_least(0))
    cycle_weight: float = _losses(10.0, "weight of the cycle loss", at_least(0))
    identity_weight: float = _losses(10.0, "weight of the identity loss", at_least(0))
    cam_weight: float = _losses(1000.0, "weight of the CAM loss", at_least(0))

    epoch: int = _training(100, "epochs to train", at_least(1))
    iteration: int = _training(10000, "steps in an epoch", at_least(1))
    batch_size: int = _training(1, "images of each domain in a step", at_least(1))
    lr: float = _training(0.0001, "learning rate", POSITIVE)
    decay_flag: bool = _training(True, "let the learning rate fall linearly after decay_epoch")
    decay_epoch: int = _training(50, "epochs at the full learning rate", at_least(0))
    n_critic: int = _training(1, "discriminator updates for one generator update", at_least(1))
    precision: str = _training(
        "float32",
        "in which convolutions multiply: bfloat16 is faster where the processor has it, float16 on most GPUs",
        one_of(PRECISIONS),
    )
    recompute: bool = _training(False, "less memory, more time: compute residual blocks again for their gradients")
    diffaugment: str = _training(
        "",
        "augments what the discriminators see, for few pictures: color,translation,cutout or some of them",
        unset_or_some_of(DIFFAUGMENT_POLICIES),
    )
    ema: float = _training(
        0.0,
        "makes pictures with a moving average of the generators, which keeps this share at each update; 0: without",
        SHARE,
    )
    jit: bool = _training(False, "compile the training step with XLA: for GPUs; starts more slowly")
    steps_per_call: int = _training(
        1, "training steps in one call of the runtime, up to where something is logged or saved", at_least(1)
    )
    seed: int = _training(0, "of initial weights, data order and augmentation", between(0, 2**31 - 1))
    deterministic: bool = _training(False, "the same numbers, bit by bit, every time; may be slower")
    skip_nonfinite: int = _training(
        0, "steps whose losses or gradients are not finite that are left out; one more stops the run", at_least(0)
    )

    print_freq: int = _saving(1000, "steps between sample images", at_least(1))
    save_freq: int = _saving(1000, "steps between checkpoints", at_least(1))
    log_freq: int = _saving(10, "steps between points of the TensorBoard curves", at_least(1))
    max_to_keep: int = _saving(5, "checkpoints kept; older ones are deleted", at_least(1))
    evaluate_freq: int = _saving(0, "steps between checkpoints that are scored; 0: none are", at_least(0))
    keep_best: str = _saving("", "score by which the best checkpoint is kept too", unset_or_one_of(BEST_BY))

    dataset_dir: str = _places("dataset", "where datasets lie", NOT_EMPTY)
    data_dir: str = _places("", "where TFDS datasets lie, or are downloaded to; empty: where TFDS itself has them")
    checkpoint_dir: str = _places("checkpoint", "where checkpoints go", NOT_EMPTY)
    sample_dir: str = _places("samples", "where sample images go", NOT_EMPTY)
    log_dir: str = _places("logs", "where TensorBoard logs go", NOT_EMPTY)
    result_dir: str = _places("results", "where pages and translated test images go", NOT_EMPTY)
    cache_dir: str = _places("cache", "where decoded images go that do not fit into memory", NOT_EMPTY)
    run: str = _places(
        "", "the run's folder, or its name under checkpoint_dir: its config.json gives what no flag does"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.dataset, str) and isinstance(self.dataset_dir, str):
            # A shell completes to dataset/mine, which is the same dataset as mine.
            place, folder = PurePath(self.dataset), PurePath(self.dataset_dir)
            if place != folder and place.is_relative_to(folder):
                object.__setattr__(self, "dataset", str(place.relative_to(folder)))

    def validate(self) -> None:
        """Checks every value, and the values against each other.

        Raises:
            UsageError: naming the option, its value and what it must be.
        """
        self.validate_values()
        depth.check(self.n_dis, self.img_size)

    @property
    def model_name(self) -> str:
        """The reference's name of the network: also the base name of its checkpoints."""
        return "UGATIT_light" if self.light else "UGATIT"

    @property
    def model_dir(self) -> str:
        """The folder name of a run, under checkpoint_dir, sample_dir and so on: the reference's, or that of `run`."""
        if self.run:
            return self.run
        weights = (self.adv_weight, self.cycle_weight, self.identity_weight, self.cam_weight)
        return (
            f"{self.model_name}_{_in_a_name(self.dataset)}_{self.gan_type}_{self.n_res}resblock_{self.n_dis}dis_{self.n_critic}_"
            + "_".join(str(int(weight)) if weight.is_integer() else str(weight) for weight in weights)
            + ("_sn" if self.sn else "")
            + ("_smoothing" if self.smoothing else "")
        )

    @property
    def run_checkpoint_dir(self) -> Path:
        """Where this run's checkpoints and its `config.json` lie."""
        return Path(self.checkpoint_dir) / self.model_dir

    @property
    def dataset_root(self) -> Path:
        """The folder of a dataset of files, with trainA and so on in it."""
        return Path(self.dataset_dir) / self.dataset

    @property
    def diffaugment_policies(self) -> tuple[str, ...]:
        """`diffaugment` taken apart: each of DIFFAUGMENT_POLICIES that it names, once."""
        return tuple(name for name in DIFFAUGMENT_POLICIES if name in split_commas(self.diffaugment))

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        return self.epoch * self.iteration

    @property
    def load_size(self) -> int:
        """Side in pixels at which training images are kept, before the random crop to `img_size`."""
        return self.img_size + (30 if self.img_size == 256 else 15) * self.augment_flag

    def crop_of(self, domain: str) -> str:
        """The crop that is named for a domain, "A" or "B"; "" where none is."""
        return {"A": self.crop_A, "B": self.crop_B}[domain] or self.crop

    def to_json(self) -> str:
        """All options as a JSON object, one a line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str = CONFIG_FILE) -> "Config":
        """The inverse of `to_json`; `name` stands for the text in error messages.

        Raises:
            RunError: where the text is not a JSON object of known options with values of their types.
        """
        try:
            values = json.loads(text)
            config = cls(**{name: value for name, value in values.items() if name not in _OF_PHASES})
            config.validate()
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, UsageError) as error:
            raise RunError(f"{name} is not a configuration of this version: {error}") from error
        return config

    def differences(self, other: "Config") -> dict[str, tuple[Any, Any]]:
        """The options whose values differ: name to (value here, value in `other`)."""
        names = [field.name for field in dataclasses.fields(self)]
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def contradictions(self, given: Mapping[str, Any]) -> list[str]:
        """What of some options makes another run than this one, in words; a light network takes any `img_size`."""
        fixed = IDENTITY - ({"img_size"} if self.light else set())
        differing = [name for name in given if name in fixed and given[name] != getattr(self, name)]
        return [f"--{name} is {given[name]} but it was trained with {getattr(self, name)}" for name in differing]


def _in_a_name(dataset: str) -> str:
    """A dataset's name as part of a folder's."""
    name = re.sub(r"[^\w.-]+", "_", dataset)
    if "?" not in dataset:
        return name
    # Only a checksum tells A=train[:50%] from A=train[50%:] then; nor does a folder's name take any length.
    return f"{name[:80]}_{zlib.crc32(os.fsencode(dataset)):08x}"


# With another value of one of these, it is another network.
ARCHITECTURE = frozenset(field.name for field in dataclasses.fields(Config) if field.metadata["group"] == _NETWORK)
# What makes up `model_dir`, and with that a run.
_NAMED = ("dataset", "gan_type", "n_critic", "adv_weight", "cycle_weight", "identity_weight", "cam_weight")
IDENTITY = ARCHITECTURE | frozenset(_NAMED)
# What earlier versions wrote to `config.json` too: options of single phases, which say nothing of a run.
_OF_PHASES = frozenset(
    ("phase", "input_A", "input_B", "size", "min_size", "test_share", "test_max", "image_format", "input", "output")
    + ("direction", "model", "original_size", "paste_back", "export_dir", "export_format", "overwrite")
    + ("from_checkpoint", "to_checkpoint")
)
