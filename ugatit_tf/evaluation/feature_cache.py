"""Features of real pictures, kept on the disk by the pictures' content: the next evaluation need not compute them."""

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

_VERSION = 2  # of how features are computed from a picture; another one leaves earlier files unused
_AT_ONCE = 64  # pictures in memory


class FeatureCache:
    """The features of one set of pictures, each known by the bytes that the network saw.

    Args:
        folder: for the file, one for each network, output of it, and way of resizing.
        name: of the set.
        extractor: makes features.
    """

    def __init__(self, folder: Path, name: str, extractor: Extractor) -> None:
        # All that a feature depends on beside the picture: two layers of one network are two networks here.
        made_by = json.dumps([_VERSION, extractor.network.checksum, extractor.network.output, extractor.resize])
        self._path = folder / f"{name}-{extractor.resize}-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}.npz"
        self._extract = extractor

    def features(self, pictures: Iterable[np.ndarray]) -> np.ndarray:
        """The features of pictures, uint8 `[H, W, C]`, in their order: float32 `[N, d]`; what was new is kept.

        A file that cannot be read, or written, is told in the log, and done without.
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
            _log.warning("Computing features anew: cannot read %s (%s)", self._path, error)
            return {}

    def _write(self, rows: dict[bytes, np.ndarray]) -> None:
        file = io.BytesIO()
        digests = np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), -1)
        np.savez(file, digests=digests, features=np.stack(list(rows.values())))
        try:
            make_folder(self._path.parent)
            write_atomically(self._path, file.getvalue())
        except RunError as error:
            _log.warning("Features of real pictures are not kept: %s", error)
