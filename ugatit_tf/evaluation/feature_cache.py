"""A cache of features on the disk, with the images' content as the key: the next evaluation need not compute them."""

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ugatit_tf.errors import RunError
from ugatit_tf.evaluation.features import Extractor
from ugatit_tf.system.files import make_folder, write_atomically

_log = logging.getLogger(__name__)

_VERSION = 2  # of the computation of features; a new version ignores earlier files
_AT_ONCE = 64  # images in memory


class FeatureCache:
    """The cached features of one set of images. The key of an image is the hash of its pixels.

    Args:
        folder: the folder of the cache files, one for each network, output and way of resizing.
        name: the set's name, the beginning of the file's name.
        extractor: computes features.
    """

    def __init__(self, folder: Path, name: str, extractor: Extractor) -> None:
        # The file's name contains a hash of all that a feature depends on, except for the image.
        made_by = json.dumps([_VERSION, extractor.network.checksum, extractor.network.output, extractor.resize])
        self._path = folder / f"{name}-{extractor.resize}-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.npz"
        self._extract = extractor

    def features(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """Returns the features of images, uint8 `[H, W, C]`, in their order: float32 `[N, d]`; saves new ones.

        If the cache file cannot be read or written, a warning is logged and the features are computed.
        """
        known = self._read()
        digests: list[bytes] = []
        rows: dict[bytes, np.ndarray] = {}
        pending: dict[bytes, np.ndarray] = {}

        def compute() -> None:
            if pending:
                rows.update(zip(pending, self._extract(list(pending.values())), strict=True))
                pending.clear()

        for picture in pictures:
            digest = hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()
            digests.append(digest)
            if digest in known:
                rows[digest] = known[digest]
            elif digest not in rows:
                pending[digest] = picture
            if len(pending) == _AT_ONCE:
                compute()
        compute()
        if rows.keys() != known.keys():
            self._write(rows)
        return np.stack([rows[digest] for digest in digests])

    def _read(self) -> dict[bytes, np.ndarray]:
        try:
            with np.load(self._path) as arrays:
                digests = arrays["digests"]
                return dict(zip(map(bytes, digests), arrays["features"], strict=True))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _log.warning("Computing all features: cannot read the cache %s (%s)", self._path, error)
            return {}

    def _write(self, rows: dict[bytes, np.ndarray]) -> None:
        file = io.BytesIO()
        digests = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
        np.savez(file, digests=digests, features=np.stack(list(rows.values())))
        try:
            make_folder(self._path.parent)
            write_atomically(self._path, file.getvalue())
        except RunError as error:
            _log.warning("Features of real images are not cached: %s", error)
