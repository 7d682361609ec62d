"""Finds datasets whose pictures are smaller than the training size.

Training enlarges such pictures without an error, and the network learns to draw blurred ones: a mistake that shows
only after days. Sizes are read from the headers of files, so looking costs milliseconds.
"""

import statistics
from collections.abc import Sequence

from ugatit_tf.config import Config
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.preparation import prepared

_SAMPLE = 50  # pictures of a domain


def find_warning(config: Config, image_sets: Sequence[ImageSet]) -> str | None:
    """Returns a line of text if training would enlarge most pictures, else None.

    The report of a prepared dataset has the size of all pictures. In other folders the first 50 pictures count. Other
    sources, such as `tfds:NAME`, have no files to look at, and get no warning.

    Args:
        config: the configuration of the run.
        image_sets: the pictures to train with.
    """
    image_sets = [image_set for image_set in image_sets if image_set.size]
    if not image_sets:
        return None
    prepared_size = (prepared.settings(config) or {}).get("size")
    if isinstance(prepared_size, int):
        if prepared_size >= config.img_size:
            return None
        return (
            f"Training enlarges all pictures: {config.dataset_root} was prepared with --size {prepared_size}, which is "
            f"smaller than --img_size {config.img_size}. Prepare it again with a larger --size, or use a smaller "
            "--img_size."
        )
    found = list(filter(None, (_small_pictures(image_set, config.img_size) for image_set in image_sets)))
    if not found:
        return None
    return (
        f"Training enlarges most pictures, as they are smaller than --img_size {config.img_size}: {'; '.join(found)}. "
        "Use larger pictures, or a smaller --img_size."
    )


def _small_pictures(image_set: ImageSet, img_size: int) -> str | None:
    """Returns a description of a sample of an image set if most of it is smaller than `img_size`, else None."""
    sizes = (image_set.size(index) for index in range(min(_SAMPLE, len(image_set))))
    sides = [min(size) for size in sizes if size]
    small = sum(side < img_size for side in sides)
    if small <= len(sides) / 2:
        return None
    middle = round(statistics.median(sides))
    return f"{small} of {len(sides)} in {image_set.place} (the median's shorter side is {middle} px)"
