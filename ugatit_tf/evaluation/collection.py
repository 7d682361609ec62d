"""The image sets that scores compare: their images in batches, and their features."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.errors import RunError
from ugatit_tf.evaluation import batches, inception
from ugatit_tf.evaluation.feature_cache import FeatureCache
from ugatit_tf.evaluation.features import OUTPUT, SIDE, DamagedFileError, Extractor, FeatureNetwork, load

INCEPTION_FEATURES = 2048
_LEAST = 2  # images: a variance needs two


class Features(NamedTuple):
    """The settings of FID and KID: a feature network, a way of resizing, and a cache folder.

    Attributes:
        network: the feature network.
        resize: the way of resizing for FID and KID, a key of RESIZES; mean KID always takes "authors".
        folder: the cache folder for features of real images.
    """

    network: FeatureNetwork
    resize: str
    folder: Path

    @property
    def facts(self) -> dict[str, str]:
        """The facts that the history of scores records."""
        network = self.network
        return {"file": network.file, "sha256": network.checksum, "output": network.output, "resize": self.resize}


def open_features(path: str, output: str, resize: str, folder: Path) -> Features:
    """Opens a feature network. Without a path it opens Inception, and downloads it if needed.

    Args:
        path: the network's path, as for `features.load`; "" means Inception.
        output: the name of its output.
        resize: "clean" or "legacy".
        folder: the cache folder for features of real images.

    Raises:
        UsageError: The network has no such output.
        RunError: The network cannot be downloaded or used.
    """
    if path:
        return Features(load(Path(path), output), resize, folder)
    place = inception.cache_folder()
    network = _load_inception(inception.fetch(place), output)
    if output == OUTPUT:  # only this output's size shows that the file is Inception
        inception.note(place, network.checksum)
    return Features(network, resize, folder)


def _load_inception(path: Path, output: str) -> FeatureNetwork:
    try:
        network = load(path, output)
    except DamagedFileError as error:
        raise RunError(f"{error}; delete it to download it again") from error
    count = network.run(np.zeros((1, SIDE, SIDE, 3), np.float32)).size if output == OUTPUT else INCEPTION_FEATURES
    if count != INCEPTION_FEATURES:
        raise RunError(
            f"{path} gives {count} features, where Inception gives {INCEPTION_FEATURES}: it is another "
            "network. Name it with --features, or move it away to download Inception."
        )
    return network


def features_folder(config: Config) -> Path:
    """Returns the folder of a dataset's features: in the dataset's folder if there is one, else in `cache_dir`."""
    root = config.dataset_root
    return root / ".features" if root.is_dir() else Path(config.cache_dir) / "features"


class Images:
    """A set of images that scores compare.

    Args:
        image_set: the images.
        name: the set's name in the cache folder of `features`.
        size: side of the squares that the images are resized to, in pixels; None keeps their sizes.
        features: as for `Scorer`.
        show: whether progress bars are shown.

    Attributes:
        names: the names of all images, readable or not.
        numbers: the indices of the images that the last complete pass could read; empty before the first pass.
        unreadable: a line for each image that the last complete pass could not read.
    """

    def __init__(
        self,
        image_set: ImageSet,
        name: str,
        size: int | None,
        features: Features | None = None,
        *,
        show: bool = True,
    ) -> None:
        self.names = image_set.names
        self.numbers: list[int] = []
        self.unreadable: list[str] = []
        self._image_set = image_set
        self._name = name
        self._size = size
        self._features = features
        self._show = show
        self._known: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        """Returns the number of all images, readable or not."""
        return len(self.names)

    def read(self, index: int) -> np.ndarray:
        """Reads one image, uint8 `[size, size, C]`."""
        return self._image_set.read(index, self._size)

    def batches(self, what: str) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """Yields all images, as `batches.read` does.

        Raises:
            RunError: Fewer than two images could be read. It is raised after the last batch.
        """
        unreadable: list[str] = []
        numbers: list[int] = []
        for indices, pictures in batches.read(self._image_set, self._size, unreadable, what if self._show else ""):
            numbers += indices
            yield indices, pictures
        self.numbers, self.unreadable = numbers, unreadable
        if len(numbers) < _LEAST:
            raise RunError(
                f"{self._image_set.place}: {len(numbers)} of {len(self)} images can be read, but scores need at "
                f"least {_LEAST}."
            )

    def features(self, resize: str) -> np.ndarray:
        """Returns the features of all images, `[N, d]`, and computes them once; `resize` is a key of RESIZES."""
        if resize not in self._known:
            cache = FeatureCache(self._features.folder, self._name, Extractor(self._features.network, resize))
            pictures = (pictures for _, pictures in self.batches(f"{self._name}, features"))
            self._known[resize] = cache.features(itertools.chain.from_iterable(pictures))
        return self._known[resize]
