"""Data sources: from a dataset's name to its images, be it a folder, a dataset of TFDS or the built-in demo faces."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import crops, demo, images
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.sources import folder, tfds
from ugatit_tf.errors import RunError

__all__ = ["DEMO", "ImageSet", "has_ground_truth", "open_splits", "read_all"]

DEMO = "demo"


def open_splits(config: Config, splits: Sequence[str], *, one_will_do: bool = False) -> tuple[ImageSet, ...]:
    """Lists the images of some splits of `config.dataset`, such as ("trainA", "trainB"); reads none.

    Args:
        config: names the dataset, and how its pictures are cropped.
        splits: the splits' names, which end in that of their domain.
        one_will_do: whether splits may be empty as long as one is not.

    Raises:
        UsageError: where the dataset's name cannot be understood, or a face detector is needed and none is installed.
        RunError: where a split has no images, naming every place that was looked in.
    """
    scheme, colon, _ = config.dataset.partition(":")
    open_split = _SOURCES.get(scheme + colon, folder.open_split)
    found = tuple(open_split(config, split) for split in splits)
    enough = any if one_will_do else all
    if not enough(len(image_set) for image_set in found):
        places = ", ".join(f"{each.place} ({'has images' if len(each) else each.lack})" for each in found)
        raise RunError(
            f"Dataset {config.dataset!r} lacks images: looked in {places}. Put images there, or try --dataset {DEMO}, "
            "which needs none."
        )
    return tuple(crops.cropped(config, split[-1], each) for split, each in zip(splits, found, strict=True))


def read_all(image_set: ImageSet, indices: Iterable[int], side: int, say: Callable[[str], None]) -> np.ndarray:
    """Some images of a set, uint8 `[N, side, side, C]`; those that cannot be read are named by `say` and left out.

    Raises:
        RunError: where none can be read.
    """
    read = []
    for index in indices:
        try:
            read.append(image_set.read(int(index), side))
        except images.UnreadableImageError as error:
            say(f"Skipped: {error}")
    if not read:
        raise RunError(f"{image_set.place}: none of the images tried can be read.")
    return np.stack(read)


def has_ground_truth(dataset: str) -> bool:
    """Whether testA[i] and testB[i] show the same thing, so that each is the right translation of the other."""
    return dataset == DEMO


def _demo_split(config: Config, split: str) -> ImageSet:
    def read(index: int, side: int | None) -> np.ndarray:
        return images.with_channels(demo.draw(split, index, side or config.img_size), config.img_ch)

    names = tuple(f"{index:04d}" for index in range(demo.SPLIT_SIZES[split]))
    return ImageSet(f"demo {split}", names, read)


# By a dataset's name, or by its beginning up to the colon; any other name is a folder's.
_SOURCES: dict[str, Callable[[Config, str], ImageSet]] = {
    DEMO: _demo_split,
    tfds.PREFIX: tfds.open_split,
}
