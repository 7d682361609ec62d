"""What --diffaugment and --ema do where there are few training pictures, measured on the demo faces.

Trains the demo preset on some of them with several seeds, with and without --diffaugment, and always with --ema, which
does not change the training: one run tells what its weights and what their average make of the test faces. Prints a
table and writes `benchmarks/results/little_data.json`. Runs that are complete are not trained again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
DATASET = "little"
POLICIES = "color,translation,cutout"
EMA = 0.999
ROWS = {  # by the policies that a run is trained with, and whether it is the average that is tested
    ("", False): "neither",
    (POLICIES, False): "--diffaugment",
    ("", True): "--ema",
    (POLICIES, True): "both",
}


def main() -> None:
    """Makes the dataset, trains, scores and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=50, help="training pictures of each domain")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=RESULTS / "little_data", help="where the runs go")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve() / str(arguments.images)
    make_dataset(folder / "dataset" / DATASET, arguments.images)
    scores: dict[str, list[dict[str, float]]] = {name: [] for name in ROWS.values()}
    for seed in range(arguments.seeds):
        for policies in ("", POLICIES):
            checkpoint_dir = train(folder, policies, seed)
            for averaged in (False, True):
                scores[ROWS[policies, averaged]].append(score(checkpoint_dir, averaged=averaged))
    print(
        f"Mean L1 to the true answers (its range over the seeds), {arguments.images} training pictures of each domain"
    )
    print("| with | A to B | B to A |\n| --- | ---: | ---: |")
    for name, results in scores.items():
        print(f"| {name} | {spread(results, 'A2B')} | {spread(results, 'B2A')} |")
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "little_data.json").write_text(json.dumps({"images": arguments.images, "l1": scores}, indent=2) + "\n")


def make_dataset(folder: Path, count: int) -> None:
    """The first faces of the demo's training splits, 64 px a side; the test faces are the demo's own."""
    from ugatit_tf.data import demo, images

    for split in ("trainA", "trainB"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            images.save_png(folder / split / f"{index:04d}.png", demo.draw(split, index, 64))


def train(folder: Path, policies: str, seed: int) -> Path:
    """Trains to the end, if that has not been done; returns the folder of its checkpoints."""
    run = folder / f"{'diffaugment' if policies else 'plain'}_{seed}"
    flags = {"preset": "demo", "dataset": DATASET, "dataset_dir": folder / "dataset", "cache_dir": run / "cache"}
    flags |= {name: run / name for name in ("checkpoint_dir", "sample_dir", "log_dir")}
    flags |= {"diffaugment": policies, "ema": EMA, "seed": seed, "max_to_keep": 1}
    command = [sys.executable, "main.py", "--phase", "train", *(f"--{name}={value}" for name, value in flags.items())]
    subprocess.run(command, cwd=ROOT, check=True)
    (config,) = (run / "checkpoint_dir").glob("*/config.json")
    return config.parent


def score(checkpoint_dir: Path, *, averaged: bool) -> dict[str, float]:
    """The mean L1 of a run's test faces to their true answers, from 0 to 1, by direction."""
    from ugatit_tf.data import images
    from ugatit_tf.evaluation.paired import l1
    from ugatit_tf.training import checkpoint_files, checkpoints
    from ugatit_tf.training.ugatit import build_generator

    config = checkpoints.config_in(checkpoint_dir)
    prefix = checkpoint_files.newest_sound(checkpoint_dir, config.model_name).prefix
    faces = {domain: _faces(f"test{domain}", config.img_size) for domain in "AB"}
    found = {}
    for source, target in ("AB", "BA"):
        generator = build_generator(config, target, average=averaged)
        checkpoints.restore(generator.variables, prefix, whole=False)
        pairs = zip(faces[source], faces[target], strict=True)
        errors = [l1(images.to_uint8(generator(images.to_float(face)).image.numpy()), truth) for face, truth in pairs]
        found[f"{source}2{target}"] = statistics.mean(errors)
    return found


def _faces(split: str, size: int) -> list[np.ndarray]:
    """The demo's faces as batches of one, uint8 `[1, size, size, 3]`."""
    from ugatit_tf.data import demo

    return [demo.draw(split, index, size)[np.newaxis] for index in range(demo.SPLIT_SIZES[split])]


def spread(results: list[dict[str, float]], direction: str) -> str:
    """The mean of some runs, and the lowest and the highest."""
    values = [result[direction] for result in results]
    return f"{statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


if __name__ == "__main__":
    main()
