"""Opens the images of a dataset by its name: those of a folder, of TensorFlow Datasets (TFDS), or the demo's faces."""

import itertools
import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import crops, demo, images
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.sources import folder, tfds
from ugatit_tf.errors import RunError

__all__ = ["DEMO", "ImageSet", "has_ground_truth", "open_splits", "read_all"]

_log = logging.getLogger(__name__)

DEMO = "demo"
_MOST_FAILURES = 100  # a limit on time: looking for a face takes a quarter of a second


def open_splits(config: Config, splits: Sequence[str], *, one_will_do: bool = False) -> tuple[ImageSet, ...]:
    """Lists the images of some splits of `config.dataset`, such as ("trainA", "trainB"), without reading them.

    Args:
        config: the configuration, which has the dataset's name and the crops.
        splits: the names of the splits; each ends in the name of its domain.
        one_will_do: whether one split with images suffices.

    Raises:
        UsageError: The dataset's name is malformed.
        RunError: A split has no images, and the message names each place that was searched; or a network that finds
            faces or people is needed, and cannot be fetched or read.
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


def read_all(image_set: ImageSet, indices: Iterable[int], side: int) -> np.ndarray:
    """Reads some images of a set. It logs those that cannot be read; the next one not tried yet takes their place.

    Args:
        image_set: the set of images.
        indices: the indices of the wanted images.
        side: the side of the images in pixels.

    Returns:
        uint8 `[N, side, side, C]`. N is less than the number of indices if the set ends, or after a hundred failures.

    Raises:
        RunError: No image that was tried can be read.
    """
    read, tried, failures = [], set(), 0
    for index in indices:
        for candidate in itertools.chain(range(int(index), len(image_set)), range(int(index))):
            if candidate in tried or failures == _MOST_FAILURES:
                continue
            tried.add(candidate)
            try:
                read.append(image_set.read(candidate, side))
                break
            except images.UnreadableImageError as error:
                failures += 1
                _log.info("Skipped: %s", error)
    if not read:
        raise RunError(f"{image_set.place}: none of the {failures} images tried can be read.")
    return np.stack(read)


def has_ground_truth(dataset: str) -> bool:
    """Returns whether testA[i] and testB[i] show the same object, so that each is the other's right translation."""
    return dataset == DEMO


def _demo_split(config: Config, split: str) -> ImageSet:
    def read(index: int, side: int | None) -> np.ndarray:
        return images.with_channels(demo.draw(split, index, side or config.img_size), config.img_ch)

    names = tuple(f"{index:04d}" for index in range(demo.SPLIT_SIZES[split]))
    return ImageSet(f"demo {split}", names, read)


# The key is a dataset's name, or its beginning up to the colon. All other names are folders.
_SOURCES: dict[str, Callable[[Config, str], ImageSet]] = {
    DEMO: _demo_split,
    tfds.PREFIX: tfds.open_split,
}
