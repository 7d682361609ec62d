"""Measures how `--diffaugment` and `--ema` change the results for few training pictures, on the demo faces.

The benchmark trains the demo preset on some of the faces with several seeds, with and without `--diffaugment`. All runs
use `--ema`, which does not change the training. So one run gives two scores: of its weights, and of their moving
average. The benchmark prints a table and writes `benchmarks/results/little_data.json`. It does not train complete runs
again.
"""

import argparse
from pathlib import Path

from benchmarks.demo_runs import RESULTS, report, score, train

DATASET = "little"
POLICIES = "color,translation,cutout"
EMA = 0.999
ROWS = {  # (policies of the training, whether the moving average is scored): name of the row
    ("", False): "neither",
    (POLICIES, False): "`--diffaugment`",
    ("", True): "`--ema`",
    (POLICIES, True): "both",
}


def main() -> None:
    """Makes the dataset, trains the runs, scores them and prints the table."""
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
            run = folder / f"{'diffaugment' if policies else 'plain'}_{seed}"
            data = {"dataset": DATASET, "dataset_dir": folder / "dataset"}
            checkpoint_dir = train(run, diffaugment=policies, ema=EMA, seed=seed, **data)
            for averaged in (False, True):
                scores[ROWS[policies, averaged]].append(score(checkpoint_dir, averaged=averaged))
    report("little_data", scores, images=arguments.images)


def make_dataset(folder: Path, count: int) -> None:
    """Writes the first `count` faces of the demo's training splits at 64 px. Tests use the demo's own test faces."""
    from ugatit_tf.data import demo, images

    for split in ("trainA", "trainB"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            images.save_png(folder / split / f"{index:04d}.png", demo.draw(split, index, 64))


if __name__ == "__main__":
    main()
