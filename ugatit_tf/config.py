"""Defines the configuration of a run: the options that `config.json` saves, and the names of the run's folders."""

import dataclasses
import functools
import os
import re
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from ugatit_tf import json_files
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
    some_of,
    split_commas,
    unset_or,
)

GAN_TYPES = ("gan", "lsgan", "wgan-gp", "wgan-lp", "dragan", "hinge")
DIFFAUGMENT_POLICIES = ("color", "translation", "cutout")
PRECISIONS = ("float32", "bfloat16", "float16")
CROPS = ("center", "face", "content", "none", "squeeze")
KEEP = "keep"  # a background that stays as it is
IMAGE_CHANNELS = (1, 3, 4)
BEST_BY = ("KID", "FID", "l1", "cycle")
CONFIG_FILE = "config.json"
SMALLEST_N_DIS = 4

_COLOUR = re.compile(r"#[0-9a-f]{6}")
_BACKGROUND = Constraint(
    "keep, white or a colour such as #e0e0e0",
    lambda value: value in ("", KEEP, "white") or bool(_COLOUR.fullmatch(value)),
)

_NETWORK, _FOLDERS = "The network", "Where files go"
_data, _network, _losses, _training, _saving, _places = (
    functools.partial(option, group=group, is_path=group == _FOLDERS)
    for group in ("The data", _NETWORK, "The losses", "The training", "Logging, sampling and saving", _FOLDERS)
)


@dataclasses.dataclass(frozen=True)
class Config(OptionSet):
    """The configuration of a run. An option of the reference has the reference's name and default.

    Example:
        >>> config = Config(dataset="mine", light=True, epoch=50)
        >>> config.validate()
        >>> config.model_dir
        'UGATIT_light_mine_lsgan_4resblock_6dis_1_1_10_10_1000_sn_smoothing'
        >>> config.total_steps
        500000
    """

    dataset: str = _data(
        "selfie2anime",
        "Name of the folder under --dataset_dir, `tfds:NAME` for TensorFlow Datasets, or `demo` for built-in faces",
        NOT_EMPTY,
        is_path=True,
    )
    augment_flag: bool = _data(True, "Crop and flip training images at random; without it they are only resized")
    flip: bool = _data(True, "Let --augment_flag mirror images left to right; turn it off for text and one-sided faces")
    crop: str = _data(
        "",
        "How pictures become square; by default, prepare crops the center, translate crops as prepare did, and the "
        "other phases squeeze",
        unset_or(one_of(CROPS)),
    )
    crop_A: str = _data("", "The same as --crop, for domain A only", unset_or(one_of(CROPS)))
    crop_B: str = _data("", "The same as --crop, for domain B only", unset_or(one_of(CROPS)))
    background: str = _data(
        "",
        "What becomes of all that is no person: keep it, or make it white or a colour such as #e0e0e0; by default, it "
        "is kept, and translate does as prepare did",
        _BACKGROUND,
    )
    background_A: str = _data("", "The same as --background, for domain A only", _BACKGROUND)
    background_B: str = _data("", "The same as --background, for domain B only", _BACKGROUND)
    face_margin: float = _data(
        0.5, "With --crop face, the room on each side of the face, as a multiple of its size", at_least(0)
    )
    content_share: float = _data(
        0.8,
        "With --crop content, the longer side of what is drawn, as a share of the square's side",
        Constraint("more than 0 and at most 1", lambda value: 0 < value <= 1),
    )
    no_face: str = _data(
        "skip", "With --crop face, what happens to a picture without a face", one_of(("skip", "center"))
    )

    light: bool = _network(False, "Use the light generator, which is 26 times smaller and takes any image size")
    ch: int = _network(64, "Channels of the first layer; deeper layers have multiples of it", between(1, 4096))
    n_res: int = _network(4, "Residual blocks in the encoder; the decoder has as many", between(1, 256))
    n_dis: int = _network(
        6, "Depth of the discriminators; small images lower it unless it is given", between(SMALLEST_N_DIS, 16)
    )
    img_size: int = _network(
        256,
        "Side of the square images, in pixels",
        Constraint("a multiple of 4, at least 4", lambda value: value >= 4 and value % 4 == 0),
    )
    img_ch: int = _network(3, "Channels of the images: 1 for grey, 3 for RGB, 4 for RGBA", one_of(IMAGE_CHANNELS))
    smoothing: bool = _network(True, "Move AdaLIN's mix a little from instance to layer normalization")
    sn: bool = _network(True, "Normalize the discriminators' weights by their spectral norm")
    cam_heads: int = _network(
        1,
        "Dense layers of the generator's CAM: 1 for both poolings together, or 2, one for each pooling",
        one_of((1, 2)),
    )
    unbiased: bool = _network(False, "Divide the variances in AdaLIN and LIN by N - 1 instead of N")

    gan_type: str = _losses("lsgan", "Kind of adversarial loss", one_of(GAN_TYPES))
    GP_ld: float = _losses(10.0, "Weight of the gradient penalty of wgan-gp, wgan-lp and dragan", at_least(0))
    adv_weight: float = _losses(1.0, "Weight of the adversarial loss", at_least(0))
    cycle_weight: float = _losses(10.0, "Weight of the cycle loss", at_least(0))
    identity_weight: float = _losses(10.0, "Weight of the identity loss", at_least(0))
    cam_weight: float = _losses(1000.0, "Weight of the CAM loss", at_least(0))

    epoch: int = _training(100, "Epochs to train", at_least(1))
    iteration: int = _training(10000, "Steps in an epoch", at_least(1))
    batch_size: int = _training(1, "Images of each domain in a step", at_least(1))
    lr: float = _training(0.0001, "Learning rate", POSITIVE)
    decay_flag: bool = _training(True, "Let the learning rate fall linearly to 0 after --decay_epoch")
    decay_epoch: int = _training(50, "Epochs at the full learning rate", at_least(0))
    n_critic: int = _training(1, "Discriminator updates for each generator update", at_least(1))
    precision: str = _training(
        "float32",
        "Number type in which convolutions multiply; bfloat16 is faster on CPUs that have it, float16 on most GPUs",
        one_of(PRECISIONS),
    )
    recompute: bool = _training(
        False, "Save memory and take more time: compute residual blocks again for their gradients"
    )
    diffaugment: str = _training(
        "",
        "Augment the images that the discriminators see, which helps small datasets; such as color,translation,cutout",
        unset_or(some_of(DIFFAUGMENT_POLICIES)),
    )
    ema: float = _training(
        0.0,
        "Make pictures with a moving average of the generators' weights, such as 0.999 for a slow one; 0 turns it off",
        SHARE,
    )
    jit: bool = _training(False, "Compile the training step with XLA: faster on GPUs, with a slower start")
    steps_per_call: int = _training(
        1, "Training steps in one call of TensorFlow; a call ends early where something is logged or saved", at_least(1)
    )
    seed: int = _training(0, "Seed of initial weights, data order and augmentation", between(0, 2**31 - 1))
    deterministic: bool = _training(False, "Compute the same numbers, bit by bit, every time; this may be slower")
    skip_nonfinite: int = _training(
        0, "How many steps with infinite or NaN losses or gradients are skipped; one more stops the run", at_least(0)
    )

    print_freq: int = _saving(1000, "Steps between sample images", at_least(1))
    save_freq: int = _saving(1000, "Steps between checkpoints", at_least(1))
    log_freq: int = _saving(10, "Steps between points of the TensorBoard curves", at_least(1))
    max_to_keep: int = _saving(5, "Checkpoints to keep; older ones are deleted", at_least(1))
    evaluate_freq: int = _saving(0, "Steps between checkpoints to score; 0 turns scoring off", at_least(0))
    keep_best: str = _saving("", "Also keep the checkpoint that is the best by this score", unset_or(one_of(BEST_BY)))

    dataset_dir: str = _places("dataset", "Folder of the datasets", NOT_EMPTY)
    data_dir: str = _places("", "Folder of the datasets of TensorFlow Datasets; by default, its own")
    checkpoint_dir: str = _places("checkpoint", "Folder of the checkpoints", NOT_EMPTY)
    sample_dir: str = _places("samples", "Folder of the sample images", NOT_EMPTY)
    log_dir: str = _places("logs", "Folder of the TensorBoard logs", NOT_EMPTY)
    result_dir: str = _places("results", "Folder of the pages and the translated test images", NOT_EMPTY)
    cache_dir: str = _places("cache", "Folder of the decoded images that do not fit into memory", NOT_EMPTY)
    assets: str = _places(
        "",
        "Folder of the networks that find faces and people, or of their npm packages, for machines without a network "
        "connection; by default, npm fetches them once into the user's cache",
    )
    run: str = _places(
        "",
        "Folder of a run, or its name under --checkpoint_dir; its config.json gives the values of all other flags",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.dataset, str) and isinstance(self.dataset_dir, str):
            # A shell completes the name to dataset/mine, which is the same dataset as mine.
            place, folder = PurePath(self.dataset), PurePath(self.dataset_dir)
            if place != folder and place.is_relative_to(folder):
                object.__setattr__(self, "dataset", str(place.relative_to(folder)))

    def validate(self) -> None:
        """Checks each value, and that the discriminators are not too deep for the images.

        Raises:
            UsageError: A value is not allowed. The message names the option, the value and the constraint.
        """
        self.validate_values()
        deepest = deepest_n_dis(self.img_size)
        if self.n_dis > deepest:
            fitting_values = f"--img_size {3 * 2 ** (self.n_dis - 1)} or more"
            if deepest >= SMALLEST_N_DIS:
                fitting_values = f"--n_dis {deepest} or less, or {fitting_values}"
            raise UsageError(
                f"--img_size {self.img_size} is too small for --n_dis {self.n_dis}: the global discriminator's "
                f"conv_last would see {self.img_size >> (self.n_dis - 1)} px a side and needs 3. Use {fitting_values}."
            )

    @property
    def model_name(self) -> str:
        """The reference's name of the network, which its checkpoints start with."""
        return "UGATIT_light" if self.light else "UGATIT"

    @property
    def model_dir(self) -> str:
        """The name of the run's folders in checkpoint_dir, sample_dir and so on: `run`, or the reference's name."""
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
        """The folder of the run's checkpoints and its `config.json`."""
        return Path(self.checkpoint_dir) / self.model_dir

    @property
    def dataset_root(self) -> Path:
        """The folder that holds trainA and the other splits, for a dataset of files."""
        return Path(self.dataset_dir) / self.dataset

    @property
    def diffaugment_policies(self) -> tuple[str, ...]:
        """The DIFFAUGMENT_POLICIES that `diffaugment` names, each once."""
        return tuple(name for name in DIFFAUGMENT_POLICIES if name in split_commas(self.diffaugment))

    @property
    def total_steps(self) -> int:
        """The number of steps of the whole training."""
        return self.epoch * self.iteration

    @property
    def load_size(self) -> int:
        """The side in pixels of training images before the random crop to `img_size`."""
        return self.img_size + (30 if self.img_size == 256 else 15) * self.augment_flag

    def crop_of(self, domain: str) -> str:
        """Returns the crop that the flags set for a domain, "A" or "B"; "" if they set none."""
        return {"A": self.crop_A, "B": self.crop_B}[domain] or self.crop

    def background_of(self, domain: str) -> str:
        """Returns the background that the flags set for a domain, "A" or "B"; "" if they set none."""
        return {"A": self.background_A, "B": self.background_B}[domain] or self.background

    def to_json(self) -> str:
        """Returns all options as a JSON object with one option per line."""
        return json_files.dumps(self, indent=2).decode()

    @classmethod
    def from_json(cls, text: str | bytes, name: str = CONFIG_FILE) -> "Config":
        """Returns the configuration that `to_json` wrote.

        Args:
            text: the JSON object.
            name: the name of the file, for the error message.

        Raises:
            RunError: The text is not a JSON object of known options with allowed values.
        """
        try:
            values = json_files.loads(text, dict[str, Any])
            config = cls(**{name: value for name, value in values.items() if name not in _OF_PHASES})
            config.validate()
        except (ValueError, TypeError, OverflowError, UsageError) as error:
            raise RunError(f"{name} is not a configuration of this version: {error}") from error
        return config

    def differences(self, other: "Config") -> dict[str, tuple[Any, Any]]:
        """Returns the options whose values differ, as a dict of name to (own value, value in `other`)."""
        names = [field.name for field in dataclasses.fields(self)]
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def contradictions(self, given: Mapping[str, Any]) -> list[str]:
        """Returns a line for each given option that makes another run than this one; a light network takes any size."""
        fixed = IDENTITY - ({"img_size"} if self.light else set())
        differing = [name for name in given if name in fixed and given[name] != getattr(self, name)]
        return [f"--{name} is {given[name]} but it was trained with {getattr(self, name)}" for name in differing]


def deepest_n_dis(img_size: int) -> int:
    """Returns the largest `n_dis` for an image size; it may be smaller than SMALLEST_N_DIS.

    The global discriminator halves the image `n_dis - 1` times, and the reflect padding of its last layers needs 3 px.
    """
    return max(img_size // 3, 1).bit_length()


def lowered_n_dis(n_dis: int, img_size: int) -> int:
    """Returns `n_dis`, lowered if the images are too small for it, but not below SMALLEST_N_DIS."""
    return min(n_dis, max(deepest_n_dis(img_size), SMALLEST_N_DIS))


def _in_a_name(dataset: str) -> str:
    """Returns the name of a dataset, without the characters that a folder's name may not have."""
    name = re.sub(r"[^\w.-]+", "_", dataset)
    if "?" not in dataset:
        return name
    # The slices A=train[:50%] and A=train[50%:] look alike now, so a checksum follows. File systems limit the length.
    return f"{name[:80]}_{zlib.crc32(os.fsencode(dataset)):08x}"


# The options that change the network's weights or their meaning.
ARCHITECTURE = frozenset(field.name for field in dataclasses.fields(Config) if field.metadata["group"] == _NETWORK)
# The options in the name `model_dir`, which distinguish runs.
_NAMED = ("dataset", "gan_type", "n_critic", "adv_weight", "cycle_weight", "identity_weight", "cam_weight")
IDENTITY = ARCHITECTURE | frozenset(_NAMED)
# Earlier versions also wrote these options of single phases to `config.json`. They are ignored.
_OF_PHASES = frozenset(
    ("phase", "input_A", "input_B", "size", "min_size", "test_share", "test_max", "image_format", "input", "output")
    + ("direction", "model", "original_size", "paste_back", "export_dir", "export_format", "overwrite")
    + ("from_checkpoint", "to_checkpoint")
)
