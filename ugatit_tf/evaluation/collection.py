"""A set of images that scores are taken of: read in batches, and their features."""

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
_LEAST = 2  # images, of which a variance can be taken


class Features(NamedTuple):
    """What FID and KID need beside images.

    Attributes:
        network: the feature network.
        resize: a key of RESIZES, for FID and KID; mean KID has one of its own.
        folder: where features of real images are kept.
    """

    network: FeatureNetwork
    resize: str
    folder: Path

    @property
    def facts(self) -> dict[str, str]:
        """What the history notes down."""
        network = self.network
        return {"file": network.file, "sha256": network.checksum, "output": network.output, "resize": self.resize}


def open_features(path: str, output: str, resize: str, folder: Path) -> Features:
    """Opens a feature network; without a path Inception, which is downloaded if need be.

    Args:
        path: of the network, as `features.load` takes it; or "".
        output: the name of its output.
        resize: "clean" or "legacy".
        folder: where features of real images are kept.

    Raises:
        UsageError: The network has no such output.
        RunError: The network cannot be had or used.
    """
    if path:
        return Features(load(Path(path), output), resize, folder)
    place = inception.cache_folder()
    network = _load_inception(inception.fetch(place), output)
    if output == OUTPUT:  # with which alone the file has turned out to be Inception
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
    """Where features of a dataset's images are kept: in its folder if it has one, else in `cache_dir`."""
    root = config.dataset_root
    return root / ".features" if root.is_dir() else Path(config.cache_dir) / "features"


class Images:
    """A set of images that scores are taken of.

    Args:
        image_set: the images.
        name: of the set, in the folder of `features`.
        size: side of the squares that they are resized to, in pixels; None: each as it is.
        features: as for `Scorer`.
        show: whether bars show how far passes over them are.

    Attributes:
        names: theirs, readable or not.
        numbers: the indices of those that were read in the last pass over all of them; none before.
        unreadable: a line for each that could not be read then.
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
        """How many there are, readable or not."""
        return len(self.names)

    def read(self, index: int) -> np.ndarray:
        """One image, uint8 `[size, size, C]`."""
        return self._image_set.read(index, self._size)

    def batches(self, what: str) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """All images, as `batches.read` yields them.

        Raises:
            RunError: at the end, where fewer than two could be read.
        """
        unreadable: list[str] = []
        numbers: list[int] = []
        for indices, pictures in batches.read(self._image_set, self._size, unreadable, what if self._show else ""):
            numbers += indices
            yield indices, pictures
        self.numbers, self.unreadable = numbers, unreadable
        if len(numbers) < _LEAST:
            raise RunError(
                f"{self._image_set.place}: {len(numbers)} of {len(self)} images can be read, and scores take at "
                f"least {_LEAST}."
            )

    def features(self, resize: str) -> np.ndarray:
        """The features of all images, `[N, d]`, by a key of RESIZES; computed once."""
        if resize not in self._known:
            cache = FeatureCache(self._features.folder, self._name, Extractor(self._features.network, resize))
            pictures = (pictures for _, pictures in self.batches(f"{self._name}, features"))
            self._known[resize] = cache.features(itertools.chain.from_iterable(pictures))
        return self._known[resize]
