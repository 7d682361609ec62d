"""Trains the demo preset for a short time, and measures how far its test faces are from the ground truth.

Other benchmarks use this module; it is no benchmark of its own.
"""

import dataclasses
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# 2000 steps, because a comparison needs many runs. The figures in docs/ were measured with this `n_dis`.
SHORT = {"epoch": 8, "decay_epoch": 4, "ema": 0.0, "n_dis": 5}


def train(folder: Path, **flags: object) -> Path:
    """Trains a run to its end, unless it is complete.

    Args:
        folder: the folder for all files that the run writes.
        **flags: the run's flags, in addition to those of the demo preset and of `SHORT`.

    Returns:
        The folder of the run's checkpoints.
    """
    places = {name: folder / name for name in ("checkpoint_dir", "sample_dir", "log_dir", "result_dir", "cache_dir")}
    flags = {"preset": "demo", "max_to_keep": 1} | SHORT | places | flags
    command = [sys.executable, "main.py", "--phase", "train", *(f"--{name}={value}" for name, value in flags.items())]
    subprocess.run(command, cwd=ROOT, check=True)
    (config,) = (folder / "checkpoint_dir").glob("*/config.json")
    return config.parent


def score(checkpoint_dir: Path, *, averaged: bool = False) -> dict[str, float]:
    """Returns the mean L1 between a run's translations of the test faces and their ground truth, by direction.

    Args:
        checkpoint_dir: the folder of the run's checkpoints.
        averaged: whether the moving average of the generators translates, instead of the weights themselves.

    Returns:
        Values from 0 to 1 under the keys "A2B" and "B2A".
    """
    from ugatit_tf.checkpoints.checkpoint import open_folder
    from ugatit_tf.data import images
    from ugatit_tf.evaluation.scoring import l1

    checkpoint = open_folder(checkpoint_dir)
    config = checkpoint.config
    if not averaged:
        checkpoint.config = dataclasses.replace(config, ema=0.0)
    faces = {domain: _faces(f"test{domain}", config.img_size) for domain in "AB"}
    found = {}
    for source, target in ("AB", "BA"):
        generator = checkpoint.generator(f"{source}2{target}")
        pairs = zip(faces[source], faces[target], strict=True)
        errors = [l1(images.to_uint8(generator(images.to_float(face)).image.numpy()), truth) for face, truth in pairs]
        found[f"{source}2{target}"] = statistics.mean(errors)
    return found


def report(name: str, scores: Mapping[str, Sequence[Mapping[str, float]]], *, images: int | None = None) -> None:
    """Prints a table of scores, and writes it to `benchmarks/results/NAME.json`.

    Args:
        name: the benchmark's name.
        scores: by the name of the row, the results of `score`, one for each seed.
        images: the number of training pictures of each domain; None means all of the demo's.
    """
    few = "" if images is None else f", {images} training pictures of each domain"
    print(f"Mean L1 to the ground truth (its range over the seeds){few}")
    print("| | A to B | B to A |\n| --- | ---: | ---: |")
    for row, runs in scores.items():
        print(f"| {row} | {spread([run['A2B'] for run in runs])} | {spread([run['B2A'] for run in runs])} |")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps({"images": images, "l1": scores}, indent=2) + "\n")


def spread(values: Sequence[float]) -> str:
    """Returns the mean of some numbers and their range, as text."""
    return f"{statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def _faces(split: str, size: int) -> list[np.ndarray]:
    """Returns the demo's faces as batches of one image, uint8 `[1, size, size, 3]`."""
    from ugatit_tf.data import demo

    return [demo.draw(split, index, size)[np.newaxis] for index in range(demo.SPLIT_SIZES[split])]
