"""Every knob of a run, with its default, its constraint and what it is for; and the names that follow from them."""

import dataclasses
import json
import math
import os
import re
import zlib
from pathlib import Path
from typing import Any

from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.options import (
    NOT_EMPTY,
    POSITIVE,
    SHARE,
    Constraint,
    at_least,
    knob,
    one_of,
    some_of,
    split_commas,
    unset_or_one_of,
    unset_or_some_of,
)

GAN_TYPES = ("gan", "lsgan", "wgan-gp", "wgan-lp", "dragan", "hinge")
DIFFAUGMENT_POLICIES = ("color", "translation", "cutout")
PHASES = ("prepare", "train", "test", "translate", "export", "convert", "demo_data", "status")
PRECISIONS = ("float32", "bfloat16", "float16")
EXPORT_FORMATS = ("saved_model", "tflite", "keras")
CROPS = ("center", "face", "none", "squeeze")
IMAGE_CHANNELS = (1, 3, 4)
SMALLEST_N_DIS = 4
CONFIG_FILE = "config.json"


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run. Names and defaults are the reference's where the reference has them."""

    phase: str = knob("train", "what to do", one_of(PHASES))
    dataset: str = knob(
        "selfie2anime", "folder under dataset_dir, `tfds:NAME`, or `demo` for built-in faces", NOT_EMPTY
    )

    light: bool = knob(False, "the light generator: 26 times smaller, any image size", architecture=True)
    ch: int = knob(64, "channels of the first layers", at_least(1), architecture=True)
    n_res: int = knob(4, "residual blocks in the encoder, and as many in the decoder", at_least(1), architecture=True)
    n_dis: int = knob(
        6,
        "depth of the discriminators; lowered by itself for small images",
        Constraint(f"from {SMALLEST_N_DIS} to 16", lambda value: SMALLEST_N_DIS <= value <= 16),
        architecture=True,
    )
    img_size: int = knob(
        256,
        "side of the square images, in pixels; a multiple of 4",
        Constraint("a multiple of 4, at least 4", lambda value: value >= 4 and value % 4 == 0),
        architecture=True,
    )
    img_ch: int = knob(3, "channels of the images: grey, RGB or RGBA", one_of(IMAGE_CHANNELS), architecture=True)
    smoothing: bool = knob(True, "AdaLIN smoothing", architecture=True)
    sn: bool = knob(True, "spectral norm in the discriminators", architecture=True)

    gan_type: str = knob("lsgan", "adversarial loss", one_of(GAN_TYPES))
    GP_ld: float = knob(10.0, "weight of the gradient penalty (wgan-gp, wgan-lp, dragan)", at_least(0))
    adv_weight: float = knob(1.0, "weight of the adversarial loss", at_least(0))
    cycle_weight: float = knob(10.0, "weight of the cycle loss", at_least(0))
    identity_weight: float = knob(10.0, "weight of the identity loss", at_least(0))
    cam_weight: float = knob(1000.0, "weight of the CAM loss", at_least(0))

    epoch: int = knob(100, "epochs to train", at_least(1))
    iteration: int = knob(10000, "steps in an epoch", at_least(1))
    batch_size: int = knob(1, "images of each domain in a step", at_least(1))
    lr: float = knob(0.0001, "learning rate", POSITIVE)
    decay_flag: bool = knob(True, "let the learning rate fall linearly after decay_epoch")
    decay_epoch: int = knob(50, "epochs at the full learning rate", at_least(0))
    n_critic: int = knob(1, "discriminator updates for one generator update", at_least(1))
    augment_flag: bool = knob(True, "random crop and flip; without it images are only resized")
    precision: str = knob(
        "float32",
        "in which convolutions multiply: bfloat16 is faster where the processor has it, float16 on most GPUs",
        one_of(PRECISIONS),
    )
    recompute: bool = knob(False, "less memory, more time: compute residual blocks again for their gradients")
    diffaugment: str = knob(
        "",
        "augments what the discriminators see, for few pictures: color,translation,cutout or some of them",
        unset_or_some_of(DIFFAUGMENT_POLICIES),
    )
    ema: float = knob(
        0.0,
        "makes pictures with a moving average of the generators, which keeps this share at each update; 0: without",
        SHARE,
    )
    jit: bool = knob(False, "compile the training step with XLA: for GPUs; starts more slowly")
    steps_per_call: int = knob(
        1, "training steps in one call of the runtime, up to where something is logged or saved", at_least(1)
    )
    seed: int = knob(
        0,
        "of initial weights, data order and augmentation",
        Constraint("from 0 to 2147483647", lambda value: 0 <= value < 2**31),
    )
    deterministic: bool = knob(False, "the same numbers, bit by bit, every time; may be slower")
    skip_nonfinite: int = knob(
        0, "steps whose losses or gradients are not finite that are left out; one more stops the run", at_least(0)
    )

    print_freq: int = knob(1000, "steps between sample images", at_least(1))
    save_freq: int = knob(1000, "steps between checkpoints", at_least(1))
    log_freq: int = knob(10, "steps between points of the TensorBoard curves", at_least(1))
    max_to_keep: int = knob(5, "checkpoints kept; older ones are deleted", at_least(1))

    dataset_dir: str = knob("dataset", "where datasets lie", NOT_EMPTY)
    data_dir: str = knob("", "where TFDS datasets lie, or are downloaded to; empty: where TFDS itself has them")
    checkpoint_dir: str = knob("checkpoint", "where checkpoints go", NOT_EMPTY)
    sample_dir: str = knob("samples", "where sample images go", NOT_EMPTY)
    log_dir: str = knob("logs", "where TensorBoard logs go", NOT_EMPTY)
    result_dir: str = knob("results", "where translated test images go", NOT_EMPTY)
    cache_dir: str = knob("cache", "where decoded images go that do not fit into memory", NOT_EMPTY)

    input_A: str = knob("", "prepare: a folder of pictures of A, at any depth; it is only read")
    input_B: str = knob("", "prepare: a folder of pictures of B")
    size: int = knob(286, "prepare: side of the pictures it makes, in pixels", at_least(1))
    min_size: int = knob(128, "prepare: pictures, or squares around faces, below this side are dropped", at_least(1))
    test_share: float = knob(
        0.05,
        "prepare: share of each domain that is set apart for testing",
        SHARE,
    )
    test_max: int = knob(100, "prepare: but no more than this", at_least(1))
    crop: str = knob(
        "",
        "how pictures become square; unset: prepare center, translate as prepared, else squeeze",
        unset_or_one_of(CROPS),
    )
    crop_A: str = knob("", "as crop, for A alone", unset_or_one_of(CROPS))
    crop_B: str = knob("", "as crop, for B alone", unset_or_one_of(CROPS))
    face_margin: float = knob(0.5, "crop face: room on each side of the face, in faces", at_least(0))
    no_face: str = knob("skip", "crop face: what to do without a face, skip or center", one_of(("skip", "center")))
    image_format: str = knob("png", "prepare, translate: png or (high-quality) jpeg", one_of(("png", "jpeg")))
    input: str = knob("", "translate: a picture, or a folder of them, at any depth")
    output: str = knob("", "translate: the folder whose A2B or B2A gets the results")
    direction: str = knob(
        "",
        "translate: which way; unset, what an export is for, else A2B",
        unset_or_one_of(("A2B", "B2A")),
    )
    model: str = knob("", "translate: an exported .keras file or SavedModel, or any checkpoint's folder")
    original_size: bool = knob(False, "translate: scale results back to the size they had in the picture")
    paste_back: bool = knob(False, "translate: put results back into their pictures")

    export_dir: str = knob("export", "where exported networks go", NOT_EMPTY)
    export_format: str = knob("saved_model", "what to export, comma-separated", some_of(EXPORT_FORMATS))
    overwrite: bool = knob(False, "replace an export, or a picture, that is there already")
    from_checkpoint: str = knob("", "convert: a checkpoint of the reference, or its folder, to bring in")
    to_checkpoint: str = knob("", "convert: a folder to write the newest checkpoint to, for the reference")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.type is float and type(getattr(self, field.name)) is int:
                object.__setattr__(self, field.name, float(getattr(self, field.name)))

    def validate(self) -> None:
        """Checks every value, and the values against each other.

        Raises:
            UsageError: naming the knob, its value and what it must be.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            constraint: Constraint = field.metadata["constraint"]
            if type(value) is not field.type:
                raise UsageError(f"--{field.name} {value!r}: must be of type {field.type.__name__}.")
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"--{field.name} {value}: must be a finite number.")
            if not constraint.holds(value):
                raise UsageError(f"--{field.name} {value}: must be {constraint.text}.")
        self._check_places()
        if self.n_dis > deepest_n_dis(self.img_size):
            raise UsageError(
                f"--img_size {self.img_size} is too small for --n_dis {self.n_dis}: the global discriminator's "
                f"conv_last would see {self.img_size >> (self.n_dis - 1)} px a side and needs 3. {_way_out(self)}"
            )

    def _check_places(self) -> None:
        """Checks that the phase gets the places that it works on, and no other phase's."""
        given = [self.from_checkpoint != "", self.to_checkpoint != ""].count(True)
        if given != (self.phase == "convert"):
            raise UsageError("--phase convert, and no other, takes either --from_checkpoint or --to_checkpoint.")
        for phase, names in (("prepare", ("input_A", "input_B")), ("translate", ("input", "output"))):
            if any((getattr(self, name) != "") != (self.phase == phase) for name in names):
                raise UsageError(f"--phase {phase}, and no other, takes --{names[0]} and --{names[1]}.")
        if self.phase == "prepare" and (self.dataset == "demo" or ":" in self.dataset):
            raise UsageError(f"--dataset {self.dataset}: must be a folder's name for --phase prepare.")
        if self.image_format == "jpeg" and self.img_ch == 4:
            raise UsageError("--image_format jpeg: cannot hold the transparency of --img_ch 4.")

    @property
    def model_name(self) -> str:
        """The reference's name of the network: also the base name of its checkpoints."""
        return "UGATIT_light" if self.light else "UGATIT"

    @property
    def model_dir(self) -> str:
        """The reference's folder name of a run, under checkpoint_dir, sample_dir, log_dir and result_dir."""
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
    def export_formats(self) -> tuple[str, ...]:
        """`export_format` taken apart: each of EXPORT_FORMATS that it names, once."""
        return tuple(name for name in EXPORT_FORMATS if name in split_commas(self.export_format))

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
        if not self.augment_flag:
            return self.img_size
        return self.img_size + (30 if self.img_size == 256 else 15)

    def to_json(self) -> str:
        """All knobs as a JSON object, one a line."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, name: str = CONFIG_FILE) -> "Config":
        """The inverse of `to_json`; `name` stands for the text in error messages.

        Raises:
            RunError: where the text is not a JSON object of known knobs with values of their types.
        """
        try:
            values = json.loads(text)
            config = cls(**values)
            config.validate()
        except (ValueError, TypeError, OverflowError, RecursionError, UsageError) as error:
            raise RunError(f"{name} is not a configuration of this version: {error}") from error
        return config

    def differences(self, other: "Config") -> dict[str, tuple[Any, Any]]:
        """The knobs whose values differ: name to (value here, value in `other`)."""
        pairs = {
            field.name: (getattr(self, field.name), getattr(other, field.name)) for field in dataclasses.fields(self)
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _in_a_name(dataset: str) -> str:
    """A dataset's name as part of a folder's."""
    name = re.sub(r"[^\w.-]+", "_", dataset)
    if "?" not in dataset:
        return name
    # Only a checksum tells A=train[:50%] from A=train[50%:] then; nor does a folder's name take any length.
    return f"{name[:80]}_{zlib.crc32(os.fsencode(dataset)):08x}"


ARCHITECTURE = frozenset(field.name for field in dataclasses.fields(Config) if field.metadata["architecture"])


def deepest_n_dis(img_size: int) -> int:
    """The largest `n_dis` whose last layers still see the 3 px that their reflect padding needs; may be below 4."""
    return max(img_size // 3, 1).bit_length()


def _way_out(config: Config) -> str:
    smallest = 3 * 2 ** (config.n_dis - 1)
    deepest = deepest_n_dis(config.img_size)
    if deepest < SMALLEST_N_DIS:
        return f"Use --img_size {smallest} or more."
    return f"Use --n_dis {deepest} or less, or --img_size {smallest} or more."


PRESETS: dict[str, dict[str, Any]] = {
    "demo": {
        "dataset": "demo",
        "light": True,
        "img_size": 64,
        "ch": 16,
        "n_res": 2,
        "n_dis": 5,
        "augment_flag": False,  # the faces vary enough, and test images look as training ones do
        "cycle_weight": 20.0,
        "identity_weight": 20.0,
        "cam_weight": 10.0,  # in so short a run, 1000 would leave time for nothing but the classifier
        "epoch": 8,
        "iteration": 250,
        "decay_epoch": 4,
        "lr": 0.0005,
        "print_freq": 250,
        "save_freq": 500,
    },
    "light": {"light": True},
    "full": {"light": False},
}
