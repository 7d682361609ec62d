"""Measures time and memory of steps and translations, and compares the time with that of this machine's convolutions.

"Over its convolutions" 1.1 means: the step takes 10 % longer than all its convolutions would take, as they are defined,
at the speed of a 3x3 convolution with 256 to 256 channels at 64x64 px. That speed is measured between the steps, in the
same process and with the same threads. Times are medians of 5, or of 2 in cases that only show growth. The steps and
the translations of a case run in one process each, which is set up as their phases do it. Speed and peak memory are
those of the steps, if the case has steps. The case "demo" is the whole command that trains the demo preset, from its
start to the end of its first step, as the median of 3.

Numbers in brackets are ratios to another measurement. With `--base FILE`, this is the JSON file of an earlier run. With
`--against DIR`, it is another checkout, whose processes take turns with those of this one. Only turns are fair on a
machine that other programs use as well. The benchmark prints tables and writes `benchmarks/results/step_time.json`.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import flops, processes, records
from benchmarks.step_targets import TARGETS, tables
from ugatit_tf.config import Config, lowered_n_dis

DEMO = "demo"
_DEMO_TURNS = 3
_OF_PROCESS = ("gflops", "peak_gb", "inter_op_threads", "intra_op_threads")


class Case(NamedTuple):
    """A configuration to measure.

    Attributes:
        config: the values that differ from `Config`'s defaults.
        repeats: how many times each measurement is repeated.
        training: whether training steps are measured, in addition to translations.
    """

    config: dict[str, Any]
    repeats: int
    training: bool


def _case(*, repeats: int = 5, training: bool = True, **config: Any) -> Case:
    """Returns a case, by default of the light network at 256 px."""
    config = {"light": True, "img_size": 256} | config
    config["n_dis"] = lowered_n_dis(Config.n_dis, config["img_size"])
    return Case(config, repeats, training)


CASES: dict[str, Case] = {
    "light": _case(),
    "bfloat16": _case(precision="bfloat16"),
    "64 px, ch 16": _case(img_size=64, ch=16),
    "128 px, ch 32": _case(img_size=128, ch=32),
    "batch 4": _case(batch_size=4),
    "batch 8, translation": _case(batch_size=8, training=False),
    "recompute": _case(recompute=True, repeats=2),
    "full": _case(light=False, repeats=2),
    "full, recompute": _case(light=False, recompute=True, repeats=2),
    **{f"{size} px": _case(img_size=size, repeats=2) for size in (64, 128, 512)},
    **{f"ch {ch}": _case(ch=ch, repeats=2) for ch in (16, 32)},
    "batch 2": _case(batch_size=2, repeats=2),
}
NAMES = (*CASES, DEMO)
COMPARED = tuple(name for name in NAMES if name == DEMO or any(t.in_base and name == t.case for t in TARGETS))


def main(argv: Sequence[str] | None = None) -> int:
    """Measures each case, prints the tables and writes the JSON file.

    Args:
        argv: the arguments; None means those of this process.

    Returns:
        The exit code: 1 if a case failed, although the tables then still have the others; otherwise 0.
    """
    arguments = _arguments(argv)
    against, base = arguments.against, arguments.base
    roots = [processes.ROOT] if against is None else [processes.ROOT, against]
    machine = records.machine()
    reports = [{"machine": machine, "version": records.version(root), "cases": {}} for root in roots]
    failures = 0
    for name in arguments.cases:
        print(f"{name} ...", file=sys.stderr)
        try:
            rows = in_turns(name, roots, 1 if against is None else arguments.turns)
        except processes.MeasurementError as failure:
            failures += 1
            print(f"{name}: {failure}", file=sys.stderr)
            continue
        for report, row in zip(reports, rows, strict=True):
            report["cases"][name] = row
    report = reports[0]
    print(f"{records.sentence(machine)}; version {report['version']}")
    if against is not None:
        base = reports[1]
    if base is not None:
        report["base"] = base
        print(f"In brackets: ratios to version {base['version']}")
        for difference in records.differences(machine, base["machine"]):
            print(f"Warning: that was measured on another machine: {difference}")
    print(tables(report["cases"], base["cases"] if base is not None else {}))
    records.write("step_time", report)
    return min(failures, 1)


def in_turns(name: str, roots: Sequence[Path], turns: int) -> list[dict[str, Any]]:
    """Measures a case in each checkout, in turns, and returns the medians of each checkout's figures.

    Args:
        name: the case's name.
        roots: the checkouts.
        turns: how many times all checkouts are measured, one after the other. The demo takes at least 3 turns, because
            a turn measures only one start.

    Raises:
        processes.MeasurementError: The case cannot be measured in one of the checkouts.
    """
    turns = max(turns, _DEMO_TURNS) if name == DEMO else turns
    rows = [[figures(name, root) for root in roots] for _ in range(turns)]
    return [_medians(of_one) for of_one in zip(*rows, strict=True)]


def figures(name: str, root: Path) -> dict[str, Any]:
    """Measures a case in a checkout; returns the measured figures and those computed from them.

    Raises:
        processes.MeasurementError: The case cannot be measured.
    """
    if name == DEMO:
        return {"start_s": processes.seconds_to_first_step(root)}
    case = CASES[name]
    config = Config(**case.config)
    specification = {"config": case.config, "repeats": case.repeats, "convolutions": True}
    translation = processes.measure(specification | {"work": "translation"}, root=root)
    row = {
        "translation_s": translation["seconds"],
        "translation_ratio": translation["seconds"] * 1e9 * translation["gflops"] / flops.of_translation(config),
        "images_per_s": config.batch_size / translation["seconds"],
    }
    if not case.training:
        return row | {figure: translation[figure] for figure in _OF_PROCESS}
    step = processes.measure(specification | {"work": "training"}, root=root)
    return row | {
        "step_s": step["seconds"],
        "step_s_per_image": step["seconds"] / config.batch_size,
        "step_ratio": step["seconds"] * 1e9 * step["gflops"] / flops.of_step(config),
        "start_s": step["start_s"],
        "start_less_step_s": step["start_s"] - step["seconds"],
        **{figure: step[figure] for figure in _OF_PROCESS},
    }


def _medians(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the medians of the measured figures, which are floats. All other values are equal in all rows."""
    measured = {name for name, value in rows[0].items() if isinstance(value, float)}
    return rows[0] | {name: statistics.median(row[name] for row in rows) for name in measured}


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.step_time", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of: {'; '.join(NAMES)} (default: all)")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--base", type=_report, metavar="FILE", help="an earlier run's JSON")
    other.add_argument("--against", type=_checkout, metavar="DIR", help=f"default cases: {'; '.join(COMPARED)}")
    parser.add_argument("--turns", type=int, default=3, metavar="N", help="of each checkout (default: 3)")
    arguments = parser.parse_args(argv)
    unknown = set(arguments.cases) - set(NAMES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    arguments.cases = arguments.cases or (NAMES if arguments.against is None else COMPARED)
    return arguments


def _report(path: str) -> dict[str, Any]:
    """Reads the JSON file of an earlier run.

    Raises:
        argparse.ArgumentTypeError: The file is not such a file.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
        return {key: report[key] for key in ("machine", "version", "cases")}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise argparse.ArgumentTypeError(f"{path} is not what this benchmark writes: {error!r}") from error


def _checkout(path: str) -> Path:
    if not (Path(path) / "ugatit_tf").is_dir():
        raise argparse.ArgumentTypeError(f"{path} is no checkout of this project")
    return Path(path).resolve()


if __name__ == "__main__":
    sys.exit(main())
