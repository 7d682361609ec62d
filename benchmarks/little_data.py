"""What --diffaugment and --ema do where there are few training pictures, measured on the demo faces.

Trains the demo preset on some of them with several seeds, with and without --diffaugment, and always with --ema, which
does not change the training: one run tells what its weights and what their average make of the test faces. Prints a
table and writes `benchmarks/results/little_data.json`. Runs that are complete are not trained again.
"""

import argparse
from pathlib import Path

from benchmarks.demo_runs import RESULTS, report, score, train

DATASET = "little"
POLICIES = "color,translation,cutout"
EMA = 0.999
ROWS = {  # by the policies that a run is trained with, and whether it is the average that is tested
    ("", False): "neither",
    (POLICIES, False): "`--diffaugment`",
    ("", True): "`--ema`",
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
            run = folder / f"{'diffaugment' if policies else 'plain'}_{seed}"
            data = {"dataset": DATASET, "dataset_dir": folder / "dataset"}
            checkpoint_dir = train(run, diffaugment=policies, ema=EMA, seed=seed, **data)
            for averaged in (False, True):
                scores[ROWS[policies, averaged]].append(score(checkpoint_dir, averaged=averaged))
    report("little_data", scores, images=arguments.images)


def make_dataset(folder: Path, count: int) -> None:
    """The first faces of the demo's training splits, 64 px a side; the test faces are the demo's own."""
    from ugatit_tf.data import demo, images

    for split in ("trainA", "trainB"):
        (folder / split).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            images.save_png(folder / split / f"{index:04d}.png", demo.draw(split, index, 64))


if __name__ == "__main__":
    main()
