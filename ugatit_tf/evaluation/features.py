"""The feature network for FID and KID, and the ways of resizing an image for it."""

import difflib
import hashlib
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from PIL import Image

from ugatit_tf.data import images
from ugatit_tf.errors import RunError, UsageError, reason

SIDE = 299  # side of the images that Inception takes, in pixels
OUTPUT = "pool_3"  # the output of Inception that FID and KID compare
_BATCH_SIZE = 16
_NAMED = 8  # outputs in an error message
_GIVEN = {"Const", "Placeholder", "NoOp"}  # operations that do not compute


class DamagedFileError(RunError):
    """A file does not hold a network, whichever output is requested."""


class FeatureNetwork(NamedTuple):
    """A network from images to features."""

    # The function from float32 `[N, 299, 299, 3]` in [-1, 1] to float32 `[N, ...]`
    run: Callable[[np.ndarray], np.ndarray]
    file: str  # the path of its file or folder
    checksum: str  # the SHA-256 of the file, or of all files in the folder, hexadecimal
    output: str = OUTPUT


class Extractor(NamedTuple):
    """Computes features of images by a network, after resizing them by a key of RESIZES."""

    network: FeatureNetwork
    resize: str

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Returns the features, float32 `[N, d]`, of images uint8 `[H, W, C]`, which may differ in size.

        Raises:
            RunError: A feature is not finite.
        """
        resize = RESIZES[self.resize]
        found = []
        for start in range(0, len(pictures), _BATCH_SIZE):
            batch = [resize(images.with_channels(each, 3)) for each in pictures[start : start + _BATCH_SIZE]]
            found.append(self.network.run(np.stack(batch)).reshape(len(batch), -1))
        features = np.concatenate(found)
        if not np.isfinite(features).all():
            raise RunError(f"{self.network.file} gives features that are not finite: take another --features.")
        return features


def load(path: Path, output: str = OUTPUT) -> FeatureNetwork:
    """Loads a feature network.

    Args:
        path: a frozen graph (`.pb`), an archive with one in it (`.tgz`, `.tar.gz`), or a SavedModel's folder.
        output: the name of the operation, or of the SavedModel's output, that gives the features.

    Raises:
        UsageError: The network has no such output; the message names those that it has.
        DamagedFileError: The file holds no network.
        RunError: The file cannot be read, the network's input is not found, or the output is not features of images.
    """
    try:
        if path.is_dir():
            network = FeatureNetwork(_from_saved_model(path, output), str(path), _checksum(path), output)
        else:
            data = path.read_bytes()
            graph = _in_archive(path) if path.name.endswith((".tgz", ".tar.gz")) else data
            network = FeatureNetwork(_from_graph(graph, output), str(path), hashlib.sha256(data).hexdigest(), output)
        found = network.run(np.zeros((2, SIDE, SIDE, 3), np.float32))
        if found.ndim < 2 or len(found) != 2 or not np.issubdtype(found.dtype, np.floating):
            raise ValueError(f"its {output} gives {found.dtype} {list(found.shape)} of 2 images, and no features")
    except (tarfile.TarError, EOFError, zlib.error, DecodeError) as error:
        raise DamagedFileError(f"{path} cannot be used as a feature network: {reason(error)}") from error
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise RunError(f"{path} cannot be used as a feature network: {reason(error)}") from error
    return network


def _no_output(output: str, outputs: Sequence[str], last: str = "") -> UsageError:
    """Returns the error for an unknown output, with the names of similar outputs."""
    similar = difflib.get_close_matches(output, outputs, n=_NAMED)
    names = outputs if len(outputs) <= _NAMED else similar
    known = f"it has {', '.join(names)}" if names else f"none of its {len(outputs):,} operations is called alike"
    return UsageError(f"--features_output {output}: the feature network has no such output; {known}{last}.")


def _checksum(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _in_archive(path: Path) -> bytes:
    with tarfile.open(path, "r:gz") as archive:
        graphs = [member for member in archive if member.isfile() and member.name.endswith(".pb")]
        if len(graphs) != 1:
            raise ValueError(f"it holds {len(graphs)} .pb files and should hold one")
        return archive.extractfile(graphs[0]).read()


def _from_graph(data: bytes, output: str) -> Callable[[np.ndarray], np.ndarray]:
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(data)
    graph = tf.Graph()
    with graph.as_default():
        placeholder = tf.compat.v1.placeholder(tf.float32, (None, SIDE, SIDE, 3))
        (features,) = tf.compat.v1.import_graph_def(
            definition, {find_input(definition, output): placeholder}, [f"{output}:0"]
        )
    options = tf.compat.v1.ConfigProto(gpu_options=tf.compat.v1.GPUOptions(allow_growth=True))
    # A session, not a function: today's functions refuse an outdated operation in the graph of 2015.
    session = tf.compat.v1.Session(graph=graph, config=options)
    return lambda batch: session.run(features, {placeholder: batch})


def find_input(graph: tf.compat.v1.GraphDef, output: str) -> str:
    """Returns the name of the first convolution's input.

    So the operations before it, which decode, resize and scale images in some files, are not used.

    Raises:
        UsageError: There is no such output.
        DecodeError: The graph computes nothing.
        ValueError: The first convolutions have several inputs, or there are none.
    """
    nodes = {node.name: node for node in graph.node}
    if output not in nodes:
        computed = [node.name for node in graph.node if node.op not in _GIVEN]
        if not computed:
            raise DecodeError("it holds no network")
        used = {name.removeprefix("^").partition(":")[0] for node in graph.node for name in node.input}
        last = [name for name in computed if name not in used]
        raise _no_output(output, computed, f"; its last is {last[0]}" if len(computed) > _NAMED else "")
    convolutions = [node for node in _behind(nodes, output) if node.op == "Conv2D"]
    first = {node.input[0] for node in convolutions}
    first -= {name for name in first if any(node.op == "Conv2D" for node in _behind(nodes, name))}
    if len(first) != 1:
        raise ValueError(f"it should have one input to convolutions, and has {len(first)}")
    return first.pop()


def _behind(nodes: Mapping[str, tf.compat.v1.NodeDef], tensor: str) -> list[tf.compat.v1.NodeDef]:
    """Returns the operations that compute a tensor, each once."""
    found: dict[str, tf.compat.v1.NodeDef] = {}
    pending = [tensor]
    while pending:
        name = pending.pop().removeprefix("^").partition(":")[0]
        if name not in found:
            found[name] = nodes[name]
            pending += nodes[name].input
    return list(found.values())


def _from_saved_model(folder: Path, output: str) -> Callable[[np.ndarray], np.ndarray]:
    loaded = tf.saved_model.load(str(folder))
    if "serving_default" not in loaded.signatures:
        raise ValueError("it has no signature serving_default")
    signature = loaded.signatures["serving_default"]
    if output not in signature.structured_outputs:
        raise _no_output(output, sorted(signature.structured_outputs))
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise ValueError(f"it should have one input, and has {len(inputs)}")
    (name,) = inputs

    def run(batch: np.ndarray, _model: object = loaded) -> np.ndarray:  # which holds the signature's variables
        return signature(**{name: tf.constant(batch)})[output].numpy()

    return run


def _clean(picture: np.ndarray) -> np.ndarray:
    # As clean-fid does: each channel as floats, so that nothing is rounded. Pillow antialiases if it shrinks.
    channels = [
        np.asarray(Image.fromarray(channel.astype(np.float32)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for channel in np.moveaxis(picture, -1, 0)
    ]
    return _scaled(np.clip(np.stack(channels, axis=-1), 0, 255))


def _legacy(picture: np.ndarray) -> np.ndarray:
    # As TensorFlow 1 and the graph itself do: without antialiasing, with pixels aligned by their corners.
    floats = tf.constant(picture[np.newaxis], tf.float32)
    resized = tf.raw_ops.ResizeBilinear(images=floats, size=(SIDE, SIDE), align_corners=False, half_pixel_centers=False)
    return _scaled(resized[0].numpy())


def _authors(picture: np.ndarray) -> np.ndarray:
    return images.to_float(images.resize(picture, SIDE))


def _scaled(picture: np.ndarray) -> np.ndarray:
    """Scales 0 to 255 to [-1, 1), as the graph of 2015 does."""
    return (picture.astype(np.float32) - 128) / 128


# From uint8 [H, W, 3] to float32 [299, 299, 3] in [-1, 1].
RESIZES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"clean": _clean, "legacy": _legacy, "authors": _authors}
