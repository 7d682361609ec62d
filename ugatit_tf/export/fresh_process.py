"""This program runs exported files in a process that has TensorFlow but not this project.

`python -I fresh_process.py EXPORT IMAGES RESULTS CORES` runs the files in the folders EXPORT/A2B and EXPORT/B2A, and
the weights in EXPORT/web. IMAGES is an .npz file with the uint8 images of each direction. The program writes another
.npz file, RESULTS: the outputs as DIRECTION/FORMAT/OUTPUT, the time of a TFLite file for an image as
DIRECTION/milliseconds/FILE.
"""

import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

QUANTISED = ("dynamic", "int8")  # TFLite files with scales that the interpreter may refuse
Named = tuple[str, np.ndarray]


def run_saved_model(folder: Path, images: np.ndarray) -> Iterator[Named]:
    """Yields the outputs of every signature."""
    loaded = tf.saved_model.load(str(folder))
    files = tf.stack([tf.io.encode_png(image) for image in images])
    pictures = loaded.signatures["serving_default"](image_bytes=files)["image_bytes"]
    yield "saved_model/serving_default", np.stack([tf.io.decode_png(picture).numpy() for picture in pictures])
    yield "saved_model/translate_uint8", loaded.translate_uint8(images).numpy()
    for name, value in loaded.translate(to_float(images)).items():
        yield f"saved_model/{name}", value.numpy()


def run_tflite(path: Path, kind: str, name: str, images: np.ndarray, cores: int) -> Iterator[Named]:
    """Yields the outputs of a file and the median milliseconds for an image; or why the interpreter refuses it."""
    from ai_edge_litert.interpreter import Interpreter

    outputs, times = [], []
    try:
        interpreter = Interpreter(str(path), num_threads=cores)
        dtype = interpreter.get_input_details()[0]["dtype"]
        run = interpreter.get_signature_runner()
        for image in [images[0], *images]:  # the first run also warms up
            value = image[np.newaxis] if dtype == np.uint8 else to_float(image[np.newaxis])
            start = time.perf_counter()
            outputs.append(run(images=value))
            times.append(1000 * (time.perf_counter() - start))
    except (RuntimeError, ValueError) as error:
        if name not in QUANTISED:
            raise
        yield f"refused/{name}", np.array(" ".join(str(error).split()))
        return
    joined = {key: np.concatenate([output[key] for output in outputs[1:]]) for key in outputs[0]}
    yield f"{kind}/{name}", joined.pop("output")
    yield f"milliseconds/{name}", np.median(times[1:])
    for key, value in joined.items():
        yield f"{kind}/{key} of float16", value


def run_onnx(path: Path, images: np.ndarray, cores: int) -> Iterator[Named]:
    """Yields the outputs of the file; `output` gets the name `image`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    for name, value in zip(names, session.run(names, {"images": to_float(images)}), strict=True):
        yield f"onnx/{'image' if name == 'output' else name}", value


def to_float(images: np.ndarray) -> np.ndarray:
    """Scales uint8 to float32 in [-1, 1]."""
    return images.astype(np.float32) / np.float32(127.5) - np.float32(1)


def main(export: str, images: str, results: str, cores: str) -> None:
    """Runs everything; see the top of the file."""
    outputs = {}
    with np.load(images) as pictures:
        for direction in pictures.files:
            folder, tests = Path(export, direction), pictures[direction]
            found = [run_saved_model(path, tests) for path in folder.glob("1")]
            for path in sorted(folder.glob("tflite/*.tflite")):
                found.append(run_tflite(path, "tflite", path.stem, tests, int(cores)))
            found += [run_onnx(path, tests, int(cores)) for path in folder.glob("*.onnx")]
            for path in Path(export).glob(f"web/weights/{direction}-*.tflite"):
                found.append(run_tflite(path, "web", "attention", tests, int(cores)))
            outputs |= {f"{direction}/{name}": value for name, value in itertools.chain(*found)}
    np.savez(results, **outputs)


if __name__ == "__main__":
    sys.modules["ugatit_tf"] = None  # makes every import of this project fail, also of an installed one
    main(*sys.argv[1:])
