"""Opens datasets of TensorFlow Datasets (TFDS): `tfds:NAME`, or `tfds:NAME?A=SPLIT&B=SPLIT`.

TFDS prepares a dataset and says where its examples are. The image files in them are decoded by `images`, as those of
folders are: TFDS's own decoder would not turn pictures upright, nor convert colour profiles.
"""

import contextlib
import difflib
import functools
import io
import queue
import threading
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from ugatit_tf.config import Config
from ugatit_tf.data import images
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.sources.tfrecords import Part, Records
from ugatit_tf.errors import RunError, UsageError, reason

if TYPE_CHECKING:  # the import takes seconds, and most runs do not need it
    import tensorflow_datasets as tfds

PREFIX = "tfds:"

_OPTIONS = ("A", "B", "testA", "testB", "image")
_PATIENCE = 3.0  # seconds to wait for a server's answer
_MOST_NAMES = 20  # names in a message
_MOST_CHARACTERS = 300  # characters of an error of TFDS, which may fill a page


def open_split(config: Config, split: str) -> ImageSet:
    """Opens the images of a split of a TFDS dataset. TFDS first downloads and prepares the dataset if needed.

    Args:
        config: the configuration. Its `dataset` is `tfds:` and a name that TFDS knows, or that is prepared in
            `data_dir`. A `?` and options, joined by `&`, may follow: `A`, `B`, `testA` and `testB` name splits as TFDS
            writes them (default: trainA, trainB, testA, testB); `image` names the image feature (default: `image`).
        split: trainA, trainB, testA or testB.

    Raises:
        UsageError: The options after the `?` are malformed.
        RunError: TFDS has no such dataset, split or image feature; the message lists those that it has. Or the dataset
            must be downloaded, and no server answers.
    """
    name, options = _parse(config.dataset)
    key = split.removeprefix("train")
    wanted = options.get(key, split)
    builder = _prepared(name, config.data_dir)
    feature = _image_feature(builder, options.get("image", "image"))
    place = f"{PREFIX}{builder.info.full_name} {wanted}"
    if key not in options and wanted not in builder.info.splits:
        return ImageSet(place, (), _read_nothing, lack=f"no such split; ?{key}= takes {_listed(builder.info.splits)}")
    records = _records(builder, wanted)

    def read(index: int, side: int) -> np.ndarray:
        name = f"{place} {index}"
        return images.load(_encoded(records, index, feature, name), side, config.img_ch, name=name)

    digits = len(str(len(records) - 1))
    return ImageSet(place, tuple(f"{index:0{digits}d}" for index in range(len(records))), read)


def _parse(dataset: str) -> tuple[str, Mapping[str, str]]:
    """Returns the dataset's name for TFDS, and the options after the `?`."""
    name, _, query = dataset.removeprefix(PREFIX).partition("?")
    options = dict(option.partition("=")[::2] for option in query.split("&")) if query else {}
    if not name or not all(options.values()) or not options.keys() <= set(_OPTIONS):
        choices = "&".join(f"{key}=..." for key in _OPTIONS)
        raise UsageError(f"--dataset {dataset}: must be {PREFIX}NAME, or {PREFIX}NAME? with some of {choices}.")
    return name, options


@functools.lru_cache(maxsize=1)
def _prepared(name: str, data_dir: str) -> "tfds.core.DatasetBuilder":
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
    except Exception as error:  # TFDS raises nearly anything
        raise RunError(f"{PREFIX}{name} cannot be opened: {_alternatives(name) or _one_line(error)}.") from error
    if not builder.data_path.exists():
        _require_network(builder)
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise RunError(f"{PREFIX}{name} cannot be prepared in {builder.data_dir}: {_one_line(error)}.") from error
    return builder


def _alternatives(name: str) -> str:
    """Returns which dataset or configuration is missing, and similar ones; "" if both exist."""
    import tensorflow_datasets as tfds

    dataset, _, configuration = (part.partition(":")[0] for part in name.partition("/"))
    known = tfds.list_builders()
    if dataset not in known:
        similar = difflib.get_close_matches(dataset, known, n=5)
        close = f"; similar are {', '.join(similar)}" if similar else ""
        return f"TFDS knows no {dataset}, and none is prepared in --data_dir{close}"
    configurations = tfds.builder_cls(dataset).builder_configs
    if configuration in configurations:
        return ""
    return f"{dataset} has no configuration {configuration}; it has {_listed(configurations)}"


def _require_network(builder: "tfds.core.DatasetBuilder") -> None:
    """Checks that a server of a dataset answers within seconds; TFDS itself would try for minutes.

    Raises:
        RunError: No server answers; the message names them.
    """
    urls = (urlsplit(url) for url in builder.url_infos or () if url.startswith("http"))
    servers = sorted({f"{url.scheme}://{url.netloc}" for url in urls})[:_MOST_NAMES]
    downloads = builder.data_dir_root / "downloads"
    if not servers or any(downloads.glob(f"{builder.name}/*.INFO")):  # TFDS writes one for each finished download
        return
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
    for server in servers:
        # Not a thread pool: its end would wait for all threads, and the look-up of a name may take minutes.
        threading.Thread(target=lambda server=server: answers.put(_is_reached(server)), daemon=True).start()
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(queue.Empty):
        for _ in servers:
            if answers.get(timeout=max(deadline - time.monotonic(), 0)):
                return
    raise RunError(
        f"{PREFIX}{builder.info.full_name} is not prepared in {builder.data_dir_root}, and cannot be downloaded: no "
        f"answer from {_listed(servers)}. Connect this machine, or give a --data_dir in which it is prepared."
    )


def _is_reached(server: str) -> bool:
    import requests

    try:
        requests.head(server, timeout=_PATIENCE)  # any answer counts; a proxy is used if one is set
    except requests.RequestException:
        return False
    return True


def _image_feature(builder: "tfds.core.DatasetBuilder", wanted: str) -> str:
    """Returns `wanted`; raises a RunError if it is no image feature that stores ordinary image files."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    found = [
        name
        for name, feature in (features.items() if isinstance(features, tfds.features.FeaturesDict) else ())
        if isinstance(feature, tfds.features.Image) and feature.np_dtype != np.float32
    ]
    if wanted not in found:
        raise RunError(
            f"{PREFIX}{builder.info.full_name} has no image feature {wanted}; ?image= takes {_listed(found)}."
        )
    return wanted


def _records(builder: "tfds.core.DatasetBuilder", split: str) -> Any:
    """Returns the encoded examples of a split, or of a part of one, by index; each is a `tf.train.Example`."""
    import tensorflow_datasets as tfds

    info = builder.info
    try:
        instructions = info.splits[split].file_instructions
    except Exception as error:
        raise RunError(
            f"{PREFIX}{info.full_name} has no split {split}; it has {_listed(info.splits)}, and parts such as "
            f"train[:90%]."
        ) from error
    if info.file_format == tfds.core.FileFormat.ARRAY_RECORD:
        return builder.as_data_source(split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
    if info.file_format in (None, tfds.core.FileFormat.TFRECORD):
        return Records([Part(tfds.core.Path(part.filename), part.skip, part.take) for part in instructions])
    raise RunError(f"{builder.data_dir} holds {info.file_format.value} files; only tfrecord and array_record are read.")


def _encoded(records: Any, index: int, feature: str, name: str) -> io.BytesIO:
    """Returns the image file in an example."""
    import tensorflow as tf  # not at the top: datasets in folders need no TensorFlow

    try:
        example = tf.train.Example.FromString(records[index])
        (data,) = example.features.feature[feature].bytes_list.value
    except Exception as error:  # the file is missing or damaged; each format has errors of its own
        raise images.UnreadableImageError(f"{name}: {_one_line(error)}") from error
    return io.BytesIO(data)


def _read_nothing(index: int, side: int) -> np.ndarray:
    raise IndexError(index)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "") or "none"


def _one_line(error: Exception) -> str:
    return reason(error)[:_MOST_CHARACTERS].rstrip(".")
