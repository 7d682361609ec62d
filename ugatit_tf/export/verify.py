"""Verifies an export: runs the files in a fresh process, and compares their outputs with those of the live network.

The fresh process has TensorFlow and the runtimes, but not this project, as on a user's machine. Each output has a rule
in `_RULES`. Exact formats must agree within rounding. An 8-bit file has no exact answer: its rule only separates a
coarse file from a broken one, such as a constant or an upside-down image (see `mistakes`).
"""

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf.data import images
from ugatit_tf.errors import RunError, reason
from ugatit_tf.export import fresh_process, mistakes, tflite
from ugatit_tf.export.formats import KERAS_FILE
from ugatit_tf.networks.generator import Generator
from ugatit_tf.system import share

_log = logging.getLogger(__name__)

_FLOAT_TOLERANCE = 1e-4  # as a share of the largest expected value
_LEAST_LEVELS = 3.0  # of 255 levels: this mean error of 8-bit files is always allowed, also if the outputs hardly vary
_TABLE = "{:<9} {:<9} {:>10} {:>10} {:>9} {:>9}"


class Measurement(NamedTuple):
    """A TFLite file compared with the live network.

    Attributes:
        direction: "A2B" or "B2A".
        name: the variant, a key of `tflite.VARIANTS`.
        size: the file's size in bytes.
        mean: the mean absolute error in uint8 levels.
        largest: the largest error in uint8 levels.
        milliseconds: the median time for an image on this machine.
    """

    direction: str
    name: str
    size: int
    mean: float
    largest: float
    milliseconds: float


def check(
    export: Path, formats: Sequence[str], generators: Mapping[str, Generator], pictures: Mapping[str, np.ndarray]
) -> list[Measurement]:
    """Runs exported networks on images and compares their outputs with those of the live generators.

    A drawn chart is added to the images, because a test image may be symmetric and the chart is not. If the interpreter
    refuses an 8-bit TFLite file, the check deletes the file and logs the reason.

    Args:
        export: the export's folder, which has a subfolder for each direction.
        formats: the names of the exported formats.
        generators: the live generators by direction.
        pictures: test images by direction, uint8 `[N, size, size, C]`.

    Returns:
        The measurements of the TFLite files that remain.

    Raises:
        RunError: An output is too far off, or the fresh process fails. The message names the output and its error.
    """
    pictures = {
        direction: np.concatenate([tests, mistakes.chart(*tests.shape[2:])[np.newaxis]])
        for direction, tests in pictures.items()
    }
    results = _run_in_a_fresh_process(export, pictures)
    measurements = []
    for direction, generator in generators.items():
        expected = _run(generator, pictures[direction])
        outputs = {tuple(key.split("/")[1:]): value for key, value in results.items() if key.startswith(direction)}
        if "keras" in formats:
            # This process loads the Keras file, because the file needs this project's layers.
            loaded = _load_keras(export / direction / KERAS_FILE)
            outputs |= {("keras", name): value for name, value in _run(loaded, pictures[direction]).items()}
        for kind, name in [key for key in outputs if key[0] == "refused"]:
            why = outputs.pop((kind, name))
            (export / direction / tflite.FOLDER / f"{name}.tflite").unlink()
            left_out = f"{direction}/{tflite.FOLDER}/{name}.tflite"
            _log.info("Left out %s: 8 bits cannot represent these weights (%s).", left_out, why)
        missing = set(formats) - {kind for kind, _ in outputs}
        if missing:
            raise RunError(f"The export's check failed: {direction} has no output of {', '.join(missing)}.")
        for (kind, name), value in outputs.items():
            if kind != "milliseconds":
                _compare(f"{direction} {kind} {name}", value, *_RULES[name], expected)
            if kind == "tflite" and name in tflite.VARIANTS:
                levels = _levels_off(value, expected["translate_uint8"])
                size = (export / direction / tflite.FOLDER / f"{name}.tflite").stat().st_size
                milliseconds = float(outputs["milliseconds", name])
                measurements.append(Measurement(direction, name, size, levels.mean(), levels.max(), milliseconds))
    return sorted(measurements, key=lambda m: (m.direction, list(tflite.VARIANTS).index(m.name)))


def table(measurements: Sequence[Measurement]) -> str:
    """Returns the measurements as a table, one line for each file."""
    lines = [_TABLE.format("direction", "TFLite", "bytes", "mean diff", "max diff", "ms/image")]
    lines += [
        _TABLE.format(m.direction, m.name, m.size, f"{m.mean:.3f}", f"{m.largest:.0f}", f"{m.milliseconds:.1f}")
        for m in measurements
    ]
    return "\n".join(lines)


def _run_in_a_fresh_process(export: Path, pictures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory() as elsewhere:
        inputs, results = Path(elsewhere, "images.npz"), Path(elsewhere, "results.npz")
        np.savez(inputs, **pictures)
        # -I keeps the working folder and PYTHONPATH, which may lead to this project, off the module path. The GPU is
        # hidden, because this process may hold its memory.
        done = subprocess.run(
            [sys.executable, "-I", fresh_process.__file__, export.resolve(), inputs, results, str(share.cores())],
            cwd=elsewhere,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not results.exists():
            if done.returncode < 0:  # a killed process may have written only TensorFlow's start-up messages
                why = f"{signal.Signals(-done.returncode).name} ended it"
            else:
                why = done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}"
            raise RunError(f"The export's check failed: its fresh process could not run what was written: {why}")
        with np.load(results) as arrays:
            return dict(arrays)


def _load_keras(path: Path) -> Generator:
    try:
        return keras.saving.load_model(path)
    except Exception as error:  # the zip, HDF5 and JSON readers that Keras uses raise errors of many types
        raise RunError(f"The export's check failed: {path} cannot be loaded: {reason(error)}") from error


def _run(generator: Generator, pictures: np.ndarray) -> dict[str, np.ndarray]:
    with tf.device("CPU"):  # like the fresh process: TF32 on a GPU is less exact than the tolerance
        image, cam_logits, heatmap = (value.numpy() for value in generator(images.to_float(pictures)))
    return {
        "output": image,
        "cam_logits": cam_logits,
        "heatmap": heatmap,
        "translate_uint8": images.to_uint8(image),
    }


def _compare(what: str, value: np.ndarray, reference: str, rule: Callable, expected: Mapping[str, np.ndarray]) -> None:
    error, allowed, unit = rule(value, expected[reference])
    if not error <= allowed:  # `error > allowed` would accept NaN
        raise RunError(f"The export's check failed: {what} is off by {error:.3g} {unit}, {allowed:.3g} allowed.")


def _levels_off(value: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Returns the absolute differences in uint8 levels of `value`, which is uint8 or float in [-1, 1]."""
    levels = value if value.dtype == np.uint8 else images.to_uint8(value)
    return np.abs(levels.astype(int) - expected)


def _near(allowed: float) -> Callable:
    """Returns a rule that limits the largest error to a share of the largest expected value."""

    def rule(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
        return np.abs(value - expected).max(), allowed * np.abs(expected).max(), "at most"

    return rule


def _near_on_average(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    """Limits the mean error to the tolerance for floats, and the largest error to 100 times that."""
    off = np.abs(value - expected)
    return max(off.mean(), off.max() / 100), _FLOAT_TOLERANCE * np.abs(expected).max(), "on average"


def _same_pixels(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    return _levels_off(value, expected).max(), 1.0, "levels at most"


def _near_pixels_on_average(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    return _levels_off(value, expected).mean(), 1.0, "levels on average"


def _coarse(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    """Applies the rule of `mistakes.measure` to images of 8-bit arithmetic."""
    levels = value if value.dtype == np.uint8 else images.to_uint8(value)
    return mistakes.measure(levels.astype(float), expected.astype(float), _LEAST_LEVELS, "levels on average")


def _half_precision(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    """Limits the largest error to 2 % of the largest expected value, and applies the rule of `mistakes.measure`."""
    largest = np.abs(expected).max()
    error, allowed, unit = _near(0.02)(value, expected)
    if not error <= allowed:
        return error, allowed, unit
    return mistakes.measure(value, expected, 0.002 * largest, "on average")


# name of an output: (key of the live network's outputs, rule)
# A rule takes a value and the expected value. It returns the error, the allowed error, and the unit for the message.
_RULES = {
    "serving_default": ("translate_uint8", _same_pixels),
    "translate_uint8": ("translate_uint8", _same_pixels),
    "output": ("output", _near(_FLOAT_TOLERANCE)),
    "cam_logits": ("cam_logits", _near(_FLOAT_TOLERANCE)),
    "heatmap": ("heatmap", _near(_FLOAT_TOLERANCE)),
    # ONNX Runtime's kernels round differently from TensorFlow's. At full size, the normalisations amplify this.
    "image": ("output", _near_on_average),
    "float32": ("translate_uint8", _same_pixels),
    "float16": ("translate_uint8", _near_pixels_on_average),
    "attention": ("translate_uint8", _near_pixels_on_average),
    "heatmap of float16": ("heatmap", _half_precision),
    "cam_logits of float16": ("cam_logits", _half_precision),
    "dynamic": ("translate_uint8", _coarse),
    "int8": ("translate_uint8", _coarse),
}
