"""Measures how `--precision bfloat16` changes the results, on the demo faces.

The benchmark trains the demo preset in bfloat16 and in float32, with several seeds. It prints a table and writes
`benchmarks/results/bfloat16_accuracy.json`. It does not train complete runs again.
"""

import argparse
from pathlib import Path

from benchmarks.demo_runs import RESULTS, report, score, train


def main() -> None:
    """Trains the runs, scores them and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=RESULTS / "bfloat16_accuracy", help="where the runs go")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    scores: dict[str, list[dict[str, float]]] = {"float32": [], "bfloat16": []}
    for seed in range(arguments.seeds):
        for precision, found in scores.items():
            found.append(score(train(folder / f"{precision}_{seed}", precision=precision, seed=seed)))
    report("bfloat16_accuracy", scores)


if __name__ == "__main__":
    main()
