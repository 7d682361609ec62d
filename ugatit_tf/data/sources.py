"""A dataset's name to its images: a folder of files, or the built-in demo faces."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import demo, images
from ugatit_tf.errors import RunError

DEMO = "demo"


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """The images of one split, read one by one.

    Attributes:
        place: where they come from, for messages.
        names: one a picture, unique, without folder and ending.
        read: index and side in pixels to uint8 `[side, side, img_ch]`; raises `images.UnreadableImageError`.
        skipped: files that are hidden or no images.
    """

    place: str
    names: tuple[str, ...]
    read: Callable[[int, int], np.ndarray]
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.names)


def open_splits(config: Config, splits: Sequence[str], *, one_will_do: bool = False) -> tuple[ImageSet, ...]:
    """Lists the images of some splits of `config.dataset`, such as ("trainA", "trainB"); reads none.

    Args:
        config: names the dataset.
        splits: the splits' names.
        one_will_do: whether splits may be empty as long as one is not.

    Raises:
        RunError: where a split has no images, naming every folder that was looked for.
    """
    if config.dataset == DEMO:
        return tuple(_demo_split(config, split) for split in splits)
    root = Path(config.dataset_dir) / config.dataset
    found = tuple(_folder_split(config, root / split) for split in splits)
    enough = any if one_will_do else all
    if not enough(len(image_set) for image_set in found):
        places = ", ".join(f"{image_set.place} ({_state(image_set)})" for image_set in found)
        raise RunError(
            f"Dataset {config.dataset!r} lacks images: looked in {places}. Put images there, or try --dataset {DEMO}, "
            "which needs none."
        )
    return found


def _state(image_set: ImageSet) -> str:
    if len(image_set):
        return "has images"
    return "no images" if Path(image_set.place).is_dir() else "no such folder"


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


def has_true_answers(dataset: str) -> bool:
    """Whether testA[i] and testB[i] show the same thing, so that each is the right translation of the other."""
    return dataset == DEMO


def _demo_split(config: Config, split: str) -> ImageSet:
    def read(index: int, side: int) -> np.ndarray:
        return images.with_channels(demo.draw(split, index, side), config.img_ch)

    names = tuple(f"{index:04d}" for index in range(demo.SPLIT_SIZES[split]))
    return ImageSet(f"demo {split}", names, read)


def _folder_split(config: Config, folder: Path) -> ImageSet:
    paths, skipped = _list_images(folder)

    def read(index: int, side: int) -> np.ndarray:
        return images.load(paths[index], side, config.img_ch)

    return ImageSet(str(folder), _unique_names(folder, paths), read, skipped)


def _list_images(folder: Path) -> tuple[list[Path], int]:
    """Image files at any depth, in a fixed order, and the number of other files."""
    paths: list[Path] = []
    skipped = 0
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or Path(name).suffix.lower() not in images.EXTENSIONS:
                skipped += 1
            else:
                paths.append(Path(parent, name))
    return paths, skipped


def _unique_names(folder: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    """The files' stems; where several share one, also their folder and ending, and a number should even that clash."""
    stems = Counter(path.stem for path in paths)
    taken: set[str] = set()
    names = []
    for path in paths:
        name = path.stem
        if stems[name] > 1:
            name = "_".join((*path.relative_to(folder).parent.parts, name, path.suffix[1:]))
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return tuple(names)
