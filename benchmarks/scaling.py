"""Measures images per second on 1, 2, 4, ... devices, and the share of a step that the devices' exchange takes.

`python -m benchmarks.scaling` measures all GPUs of this machine. `--devices 4` uses the CPU as four devices. This shows
that the code works, but not how fast it is, because the devices share the CPU's cores. `--batch_size` is the batch of
one device, so more devices take larger batches. The other flags are those of `--phase train`. The share of the exchange
is the time that a step saves if every device trains alone. Each measurement runs in a process of its own. The benchmark
prints a table and writes `benchmarks/results/scaling.json`.
"""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks import processes, records
from ugatit_tf import flags, phases
from ugatit_tf.errors import UserError

PROGRAM = "python -m benchmarks.scaling"
_REPEATS = 5
_HEADER = "| devices | batch | step s | images/s | speed-up | exchange |\n" + 6 * "| ---: " + "|"

# A process of its own counts the GPUs, because TensorFlow takes all of their memory in the process that counts.
_COUNT = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"


def main(argv: Sequence[str] | None = None) -> int:
    """Measures each number of devices, prints the table and writes the JSON file.

    Args:
        argv: the arguments; None means those of this process.

    Returns:
        The exit code: 0; 1 if a measurement failed, although the table then still has the others; 2 if the flags are
        wrong or there is no GPU.
    """
    parser = argparse.ArgumentParser(PROGRAM, description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--devices", type=int, default=0, help="devices to split the CPU into; 0: use the GPUs")
    arguments, rest = parser.parse_known_args(argv)
    try:
        config = flags.parse([PROGRAM, "--phase", "train", *rest], phases.table()).config
        kind, most = ("CPU", arguments.devices) if arguments.devices else ("GPU", _gpus())
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return error.exit_code
    if not most:
        print(f"{PROGRAM}: TensorFlow sees no GPU; --devices 2 takes the CPU for two.", file=sys.stderr)
        return 2
    machine = records.machine()
    print(f"{records.sentence(machine)}\n\n{_HEADER}", flush=True)
    rows, failed = [], False
    for count in counts(most):
        try:
            rows.append(_measure(dataclasses.asdict(config), [f"{kind}:{index}" for index in range(count)]))
        except processes.MeasurementError as error:
            failed = True
            print(f"| {count} | | | | | {error} |", flush=True)
        else:
            print(line(rows[-1], rows[0]), flush=True)
    print()
    records.write("scaling", {"machine": machine, "config": dataclasses.asdict(config), "rows": rows})
    return int(failed)


def counts(most: int) -> list[int]:
    """Returns the numbers of devices to measure: 1, 2, 4 and so on, and `most`."""
    return sorted({2**power for power in range(most.bit_length()) if 2**power <= most} | {most})


def line(row: dict[str, Any], first: dict[str, Any]) -> str:
    """Returns a row of the table; `first` is the row with one device."""
    speed_up = row["images_per_s"] / first["images_per_s"] * first["devices"]
    return (
        f"| {row['devices']} | {row['batch_size']} | {row['step_s']:.3g} | {row['images_per_s']:.3g} | "
        f"{speed_up:.2f} | {row['exchange']:.0%} |"
    )


def _measure(config: dict[str, Any], devices: list[str]) -> dict[str, Any]:
    batch_size = config["batch_size"] * len(devices)
    specification = {"work": "training", "config": config | {"batch_size": batch_size}, "repeats": _REPEATS}
    specification |= {"devices": devices}
    step = processes.measure(specification)["seconds"]
    alone = processes.measure(specification | {"exchange": False})["seconds"] if len(devices) > 1 else step
    return {
        "devices": len(devices),
        "batch_size": batch_size,
        "step_s": step,
        "images_per_s": 2 * batch_size / step,  # both domains together
        "exchange": max(1.0 - alone / step, 0.0),
    }


def _gpus() -> int:
    return int(json.loads(processes.run([sys.executable, "-c", _COUNT], {}).splitlines()[-1]))


if __name__ == "__main__":
    sys.exit(main())
