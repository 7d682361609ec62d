"""The image sets that scores compare: their images in batches, and their features, which a file keeps."""

import dataclasses
import hashlib
import io
import itertools
import json
import logging
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ugatit_tf.config import Config
from ugatit_tf.data import parallel
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.errors import RunError
from ugatit_tf.evaluation import inception
from ugatit_tf.evaluation.features import OUTPUT, SIDE, DamagedFileError, Extractor, FeatureNetwork, load
from ugatit_tf.system import assets
from ugatit_tf.system.files import make_folder, write_atomically

_log = logging.getLogger(__name__)

INCEPTION_FEATURES = 2048
_LEAST = 2  # images: a variance needs two
_BATCH_SIZE = 8
_CACHE_VERSION = 2  # of the computation of features; a new version ignores earlier files
_AT_ONCE = 64  # images whose features are computed together


class Features(NamedTuple):
    """The settings of FID and KID: a feature network, a way of resizing, and a cache folder."""

    network: FeatureNetwork
    resize: str  # the way of resizing for FID and KID, a key of RESIZES; mean KID always takes "authors"
    folder: Path  # the cache folder for features of real images

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
    place = assets.cache_folder()
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


@dataclasses.dataclass(eq=False)
class Images:
    """A set of images that scores compare."""

    image_set: ImageSet
    name: str  # the set's name in the cache folder
    size: int | None  # side of the squares that the images are resized to, in pixels; None keeps their sizes
    extraction: Features | None = None  # as for `Scorer`
    show: bool = dataclasses.field(default=True, kw_only=True)  # whether progress bars are shown
    # The indices of the images that the last complete pass could read, and a line for each image that it could not.
    numbers: list[int] = dataclasses.field(default_factory=list, init=False)
    unreadable: list[str] = dataclasses.field(default_factory=list, init=False)
    _known: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, init=False)

    @property
    def names(self) -> Sequence[str]:
        """The names of all images, readable or not."""
        return self.image_set.names

    def __len__(self) -> int:
        """Returns the number of all images, readable or not."""
        return len(self.names)

    def read(self, index: int) -> np.ndarray:
        """Reads one image, uint8 `[size, size, C]`."""
        return self.image_set.read(index, self.size)

    def batches(self, label: str) -> Iterator[tuple[list[int], list[np.ndarray]]]:
        """Yields all images, as `read_batches` does.

        Raises:
            RunError: Fewer than two images could be read. It is raised after the last batch.
        """
        unreadable: list[str] = []
        numbers: list[int] = []
        for indices, pictures in read_batches(self.image_set, self.size, unreadable, label if self.show else ""):
            numbers += indices
            yield indices, pictures
        self.numbers, self.unreadable = numbers, unreadable
        if len(numbers) < _LEAST:
            raise RunError(
                f"{self.image_set.place}: {len(numbers)} of {len(self)} images can be read, but scores need at "
                f"least {_LEAST}."
            )

    def features(self, resize: str) -> np.ndarray:
        """Returns the features of all images, `[N, d]`, and computes them once; `resize` is a key of RESIZES."""
        if resize not in self._known:
            batches = (pictures for _, pictures in self.batches(f"{self.name}, features"))
            pictures = itertools.chain.from_iterable(batches)
            extractor = Extractor(self.extraction.network, resize)
            self._known[resize] = cached_features(pictures, extractor, self.extraction.folder, self.name)
        return self._known[resize]


def read_batches(
    image_set: ImageSet, size: int | None, unreadable: list[str], label: str
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Reads a set's images batch by batch, so that few are in memory at a time. Leaves out unreadable images.

    Args:
        image_set: the images.
        size: side of the squares that the images are resized to, in pixels; None keeps their sizes.
        unreadable: gets a line for each image that cannot be read.
        label: the label of the progress bar; an empty label hides the bar.

    Yields:
        The indices of up to eight images, and the images, uint8 `[size, size, C]`.
    """

    def load(index: int) -> np.ndarray | UnreadableImageError:
        try:
            return image_set.read(index, size)
        except UnreadableImageError as error:
            return error

    def readable() -> Iterator[tuple[int, np.ndarray]]:
        for index, picture in enumerate(bar):
            if isinstance(picture, UnreadableImageError):
                unreadable.append(str(picture))
            else:
                yield index, picture

    count = len(image_set)
    disable = None if label else True  # tqdm takes None as: hide the bar unless the output is a terminal
    bar = tqdm(parallel.in_order(load, range(count)), label, count, unit="image", disable=disable)
    for batch in parallel.in_batches(readable(), _BATCH_SIZE):
        yield [index for index, _ in batch], [picture for _, picture in batch]


def cached_features(pictures: Iterable[np.ndarray], extractor: Extractor, folder: Path, name: str) -> np.ndarray:
    """Computes the features of images, or reads them from a file that an earlier evaluation wrote.

    The file has features by the hash of an image's pixels, and is replaced if the images are others. Its name contains
    a hash of everything else that a feature depends on. If it cannot be read or written, a warning is logged.

    Args:
        pictures: uint8 `[H, W, C]`.
        extractor: computes features.
        folder: of the file.
        name: the beginning of the file's name.

    Returns:
        The features of the images in their order, float32 `[N, d]`.
    """
    made_by = json.dumps([_CACHE_VERSION, extractor.network.checksum, extractor.network.output, extractor.resize])
    path = folder / f"{name}-{extractor.resize}-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.npz"
    known = _read_cache(path)
    digests: list[bytes] = []
    rows: dict[bytes, np.ndarray] = {}
    for some in parallel.in_batches(pictures, _AT_ONCE):
        new: dict[bytes, np.ndarray] = {}
        for picture in some:
            digest = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()
            digests.append(digest)
            if digest in known:
                rows[digest] = known[digest]
            elif digest not in rows:
                new[digest] = picture
        if new:
            rows.update(zip(new, extractor(list(new.values())), strict=True))
    if rows.keys() != known.keys():
        _write_cache(path, rows)
    return np.stack([rows[digest] for digest in digests])


def _read_cache(path: Path) -> dict[bytes, np.ndarray]:
    try:
        with np.load(path) as arrays:
            return dict(zip(map(bytes, arrays["digests"]), arrays["features"], strict=True))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        _log.warning("Computing all features: cannot read the cache %s (%s)", path, error)
        return {}


def _write_cache(path: Path, rows: dict[bytes, np.ndarray]) -> None:
    file = io.BytesIO()
    digests = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
    np.savez(file, digests=digests, features=np.stack(list(rows.values())))
    try:
        make_folder(path.parent)
        write_atomically(path, file.getvalue())
    except RunError as error:
        _log.warning("Features of real images are not cached: %s", error)
