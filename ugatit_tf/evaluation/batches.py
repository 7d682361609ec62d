"""Reading of image sets in batches. Unreadable images are left out and listed."""

from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from ugatit_tf.data import parallel
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.images import UnreadableImageError

_BATCH_SIZE = 8


def read(
    image_set: ImageSet, size: int | None, unreadable: list[str], what: str = ""
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Reads a set's images batch by batch, so that few are in memory at a time.

    Args:
        image_set: the images.
        size: side of the squares that the images are resized to, in pixels; None keeps their sizes.
        unreadable: gets a line for each image that cannot be read.
        what: the label of the progress bar; an empty label hides the bar.

    Yields:
        The indices of up to eight images, and the images, uint8 `[size, size, C]`.
    """

    def load(index: int) -> np.ndarray | UnreadableImageError:
        try:
            return image_set.read(index, size)
        except UnreadableImageError as error:
            return error

    def readable() -> Iterator[tuple[int, np.ndarray]]:
        for index, picture in enumerate(parallel.in_order(load, range(len(image_set)))):
            if isinstance(picture, UnreadableImageError):
                unreadable.append(str(picture))
                bar.update()
            else:
                yield index, picture

    disable = None if what else True  # tqdm takes None as: hide the bar unless the output is a terminal
    with tqdm(total=len(image_set), desc=what, unit="image", disable=disable) as bar:
        for batch in parallel.in_batches(readable(), _BATCH_SIZE):
            yield [index for index, _ in batch], [picture for _, picture in batch]
            bar.update(len(batch))
