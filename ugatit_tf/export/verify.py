"""Verification of an export: its files are run in a fresh process and compared with the live network."""

import json
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
from ugatit_tf.system.files import write_atomically

_log = logging.getLogger(__name__)

_FLOAT_TOLERANCE = 1e-4  # of the largest value
_PIXEL_TOLERANCE = 1
_LEAST_LEVELS = 3.0  # of 255, that 8-bit arithmetic may be off on average, however little the outputs vary
_TABLE = "{:<9} {:<9} {:>10} {:>10} {:>9} {:>9}"


class Measurement(NamedTuple):
    """A TFLite file compared with the live network: bytes, uint8 levels off, and milliseconds an image here."""

    direction: str
    name: str
    size: int
    mean: float
    largest: float
    milliseconds: float


def check(
    export: Path, formats: Sequence[str], generators: Mapping[str, Generator], pictures: Mapping[str, np.ndarray]
) -> list[Measurement]:
    """Runs exported networks on images and compares their outputs with the live generators'.

    A drawn chart joins the images: turned or mirrored, it is another picture, as a test image may not be. A TFLite file
    that the interpreter refuses, as its weights cannot be held in 8 bits, is deleted, with a line that says so.

    Args:
        export: the folder that holds a folder for each direction.
        formats: what has been written there.
        generators: by direction.
        pictures: by direction, uint8 `[N, size, size, C]`.

    Returns:
        How good and fast the TFLite files are.

    Raises:
        RunError: where an output is too far off, saying which and by how much, or the fresh process fails.
    """
    pictures = {
        name: np.concatenate([some, mistakes.chart(*some.shape[2:])[np.newaxis]]) for name, some in pictures.items()
    }
    results = _run_in_a_fresh_process(export, pictures)
    measurements = []
    for direction, generator in generators.items():
        expected = _run(generator, pictures[direction])
        outputs = {tuple(key.split("/")[1:]): value for key, value in results.items() if key.startswith(direction)}
        if "keras" in formats:
            # In this process: that file needs this project's layers anyway.
            loaded = _load_keras(export / direction / KERAS_FILE)
            outputs |= {("keras", name): value for name, value in _run(loaded, pictures[direction]).items()}
        for kind, name in [key for key in outputs if key[0] == "refused"]:
            _leave_out(export / direction, name, str(outputs.pop((kind, name))))
        missing = set(formats) - {kind for kind, _ in outputs}
        if missing:
            raise RunError(f"The export's check failed: {direction} gave no {', '.join(missing)}.")
        for (kind, name), value in outputs.items():
            if kind != "milliseconds":
                _compare(f"{direction} {kind} {name}", value, *_RULES[name], expected)
            if kind == "tflite" and name in tflite.VARIANTS:
                levels = _levels_off(value, expected["translate_uint8"])
                size = (export / direction / tflite.FOLDER / f"{name}.tflite").stat().st_size
                milliseconds = float(outputs["milliseconds", name])
                measurements.append(Measurement(direction, name, size, levels.mean(), levels.max(), milliseconds))
    return sorted(measurements, key=lambda m: (m.direction, list(tflite.VARIANTS).index(m.name)))


def _leave_out(folder: Path, name: str, why: str) -> None:
    """Deletes a TFLite file that cannot be run, and what `signature.json` says of it."""
    (folder / tflite.FOLDER / f"{name}.tflite").unlink()
    path = folder / "signature.json"
    if path.is_file():
        signature = json.loads(path.read_bytes())
        signature["formats"]["tflite"].pop(name, None)
        write_atomically(path, (json.dumps(signature, indent=2) + "\n").encode())
    _log.info(
        "Left out %s/%s/%s.tflite: these weights cannot be held in 8 bits (%s).", folder.name, tflite.FOLDER, name, why
    )


def table(measurements: Sequence[Measurement]) -> str:
    """Measurements as text, a line each."""
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
        # -I: neither the working folder nor PYTHONPATH leads to this project. No GPU: this process may hold its memory.
        done = subprocess.run(
            [sys.executable, "-I", fresh_process.__file__, export.resolve(), inputs, results, str(share.cores())],
            cwd=elsewhere,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not results.exists():
            if done.returncode < 0:  # it may have written no more than TensorFlow's start-up messages
                why = f"{signal.Signals(-done.returncode).name} ended it"
            else:
                why = done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}"
            raise RunError(f"The export's check failed: its fresh process could not run what was written: {why}")
        with np.load(results) as arrays:
            return dict(arrays)


def _load_keras(path: Path) -> Generator:
    try:
        return keras.saving.load_model(path)
    except Exception as error:  # the zip, HDF5 and JSON readers below Keras each raise their own
        raise RunError(f"The export's check failed: {path} cannot be loaded: {reason(error)}") from error


def _run(generator: Generator, pictures: np.ndarray) -> dict[str, np.ndarray]:
    with tf.device("CPU"):  # as the fresh process does: a GPU's TF32 is further off than the tolerance
        image, cam_logits, heatmap = (value.numpy() for value in generator(images.to_float(pictures)))
    return {
        "output": image,
        "cam_logits": cam_logits,
        "heatmap": heatmap,
        "translate_uint8": images.to_uint8(image),
    }


def _compare(what: str, value: np.ndarray, reference: str, rule: Callable, expected: Mapping[str, np.ndarray]) -> None:
    error, allowed, unit = rule(value, expected[reference])
    if not error <= allowed:  # and not `error > allowed`, which NaN is not
        raise RunError(f"The export's check failed: {what} is off by {error:.3g} {unit}, {allowed:.3g} allowed.")


def _levels_off(value: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Differences in uint8 levels, of pixels or of floats in [-1, 1]."""
    levels = value if value.dtype == np.uint8 else images.to_uint8(value)
    return np.abs(levels.astype(int) - expected)


def _near(allowed: float) -> Callable:
    """At most this share of the largest value off."""

    def rule(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
        return np.abs(value - expected).max(), allowed * np.abs(expected).max(), "at most"

    return rule


def _near_on_average(allowed: float) -> Callable:
    """At most this share of the largest value off on average, and a hundred times as much in any place."""

    def rule(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
        off = np.abs(value - expected)
        return max(off.mean(), off.max() / 100), allowed * np.abs(expected).max(), "on average"

    return rule


def _same_pixels(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    return _levels_off(value, expected).max(), _PIXEL_TOLERANCE, "levels at most"


def _similar(allowed: float) -> Callable:
    def rule(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
        return _levels_off(value, expected).mean(), allowed, "levels on average"

    return rule


def _coarse(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    """As `told_apart`, of pixels in 8-bit arithmetic."""
    levels = value if value.dtype == np.uint8 else images.to_uint8(value)
    return mistakes.told_apart(levels.astype(float), expected.astype(float), _LEAST_LEVELS, "levels on average")


def _half_precision(value: np.ndarray, expected: np.ndarray) -> tuple[float, float, str]:
    """At most 2 % of the largest value off, and as `told_apart`."""
    largest = np.abs(expected).max()
    error, allowed, unit = _near(0.02)(value, expected)
    if not error <= allowed:
        return error, allowed, unit
    return mistakes.told_apart(value, expected, 0.002 * largest, "on average")


# The name of an output: (what it is compared with, how)
_RULES = {
    "serving_default": ("translate_uint8", _same_pixels),
    "translate_uint8": ("translate_uint8", _same_pixels),
    "output": ("output", _near(_FLOAT_TOLERANCE)),
    "cam_logits": ("cam_logits", _near(_FLOAT_TOLERANCE)),
    "heatmap": ("heatmap", _near(_FLOAT_TOLERANCE)),
    # Other kernels than TensorFlow's: at full size, what they round differently grows through the norms.
    "image": ("output", _near_on_average(_FLOAT_TOLERANCE)),
    "float32": ("translate_uint8", _same_pixels),
    "float16": ("translate_uint8", _similar(1.0)),
    "attention": ("translate_uint8", _similar(1.0)),
    "heatmap of float16": ("heatmap", _half_precision),
    "cam_logits of float16": ("cam_logits", _half_precision),
    # 8 bits have no exact answer to be compared with: this tells a broken file from a coarse one.
    "dynamic": ("translate_uint8", _coarse),
    "int8": ("translate_uint8", _coarse),
}
