"""Finds the flags that train fastest on this machine: `python -m benchmarks.tune --img_size 256 --light True`.

The benchmark accepts every flag of `--phase train`. The flags of the network define what is measured; the others are
the start of the search. The search changes one setting at a time, starting from the fastest combination so far:
precision, threads (on a CPU), XLA, several steps in a call (if a step is short), and larger batches. Each combination
runs in a process of its own. If a combination fails, hangs or runs out of memory, its row of the table says so. The
table is in Markdown. Ctrl-C prints the rows measured so far. The benchmark also writes `benchmarks/results/tune.json`.

The time of a step does not include its input. The benchmark recommends the fastest flags for the given batch size,
because another batch size is another training. It tries `--recompute True` if memory runs out without it.

It does not try another layout of tensors, because convolutions, norms and paddings need the channels to be last. With
Keras' `image_data_format` at channels_first, the generator's first padding is refused.
"""

import argparse
import dataclasses
import functools
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks import processes, records
from ugatit_tf import flags, phases
from ugatit_tf.errors import UsageError, UserError
from ugatit_tf.flags import Command
from ugatit_tf.phases import train

PROGRAM = "python -m benchmarks.tune"
_REPEATS = 5
_LIMIT = 600  # the most seconds that a combination may take
_LESS_TIME = 0.98  # share of the fastest time so far; a smaller gain may be chance
_MORE_IMAGES = 1.05  # times the most images per second so far; a smaller gain may be chance
_LARGER_BATCHES = (4, 8, 16, 32)  # times the given batch size; the search stops when a larger one gains nothing
_SHORT_STEP = 0.25  # seconds; in a longer step, the few milliseconds that a call costs do not show
_DAYS_FOR_MILLION_STEPS = 1e6 / 86400  # if a step takes one second


@dataclasses.dataclass(frozen=True)
class Row:
    """A combination of flags, and its figures.

    Attributes:
        changes: the options that differ from the given ones, with their values.
        batch_size: images of each domain in a step.
        figures: the result of `worker.measure`; empty if the measurement failed.
        failure: why the measurement failed; empty if it did not.
    """

    changes: dict[str, Any]
    batch_size: int
    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    failure: str = ""

    @property
    def step_s(self) -> float:
        """Seconds per step; infinite if the measurement failed."""
        return self.figures.get("seconds", math.inf)

    @property
    def images_per_s(self) -> float:
        """Images of each domain per second."""
        return self.batch_size / self.step_s

    @property
    def threads(self) -> str:
        """The value of `--threads` that stands for the threads that were used."""
        return f"{self.figures.get('inter_op_threads')}x{self.figures.get('intra_op_threads')}"

    @property
    def flags(self) -> str:
        """The changes, as flags of a command line."""
        return " ".join(f"--{name} {value}" for name, value in self.changes.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Searches, prints the table and the advice, and writes the JSON file.

    Args:
        argv: the arguments; None means those of this process.

    Returns:
        The exit code: 0 if a combination was measured, 2 if the flags are wrong, 130 after Ctrl-C, otherwise 1.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        epilog="And all flags of python main.py --phase train --help.",
    )
    parser.add_argument("--limit", type=float, default=_LIMIT, help="seconds for a combination (default: %(default)s)")
    own, given = parser.parse_known_args(argv)

    def measure(training: Command) -> Mapping[str, Any]:
        specification = {"work": "training", "config": dataclasses.asdict(training.config), "repeats": _REPEATS}
        return processes.measure(specification | {"threads": training.options.threads}, limit=own.limit)

    rows: list[Row] = []
    exit_code = 1
    try:
        training = _training(given)
        machine = records.machine()
        for row in search(training, settings(machine), measure):
            rows.append(row)
            print(f"{row.flags or 'as given'}: {row.failure or f'{row.step_s:.3g} s a step'}", file=sys.stderr)
            exit_code = 0 if row.figures else exit_code
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        exit_code = error.exit_code
    except KeyboardInterrupt:
        exit_code = 130
    if rows:
        version = records.version(processes.ROOT)
        print(f"`{' '.join(['--phase train', *given])}` on {records.sentence(machine)}; version {version}")
        print(f"\n{table(rows)}\n\n{advice(rows)}\n")
        rows_as_json = [dataclasses.asdict(row) for row in rows]
        records.write("tune", {"machine": machine, "version": version, "given": given, "rows": rows_as_json})
    return exit_code


def _training(arguments: Sequence[str]) -> Command:
    """Parses the arguments of a training.

    Raises:
        UserError: The arguments are wrong, or belong to another phase.
    """
    command = flags.parse([PROGRAM, *arguments], phases.table())
    if command.phase is not train:
        raise UsageError("only trainings are compared: leave --phase out.")
    return command


def settings(machine: Mapping[str, Any]) -> list[tuple[str, tuple[Any, ...]]]:
    """Returns the flags to try on a machine, in this order, each with its values."""
    calls = [("jit", (False, True)), ("steps_per_call", (1, 10))]
    if machine["gpu"]:
        return [("precision", ("float32", "bfloat16", "float16")), *calls]
    cores = machine["cores"]
    threads = tuple(f"{count}x{cores // count}" for count in (1, 2, 4) if count <= cores)
    return [("precision", ("float32", "bfloat16")), ("threads", threads), *calls]


def search(
    training: Command,
    choices: Sequence[tuple[str, Sequence[Any]]],
    measure: Callable[[Command], Mapping[str, Any]],
) -> Iterator[Row]:
    """Measures a training, then one change at a time to the fastest combination so far, and finally larger batches.

    Args:
        training: the training that the search starts from.
        choices: the flags to change, each with the values to try.
        measure: returns the figures of `worker.measure`, or raises a MeasurementError.

    Yields:
        A row for each combination, when it has been measured.
    """
    seen: set[Command] = set()

    def attempt(changes: dict[str, Any]) -> Row:
        changed = _changed(training, changes)
        seen.add(changed)
        try:
            return Row(changes, changed.config.batch_size, figures=measure(changed))
        except processes.MeasurementError as error:
            return Row(changes, changed.config.batch_size, failure=str(error))

    best = attempt({})
    yield best
    if best.failure:
        choices = [("recompute", (True,)), *choices]
    for name, values in choices:
        if name == "steps_per_call" and best.step_s > _SHORT_STEP:
            continue
        threads = best.threads  # the run itself may have chosen them
        for value in values:
            changes = best.changes | {name: value}
            if _changed(training, changes) in seen or (name == "threads" and value == threads):
                continue
            row = attempt(changes)
            yield row
            best = _faster(best, row)
    if best.failure:
        return
    most = best.images_per_s
    for factor in _LARGER_BATCHES:
        row = attempt(best.changes | {"batch_size": training.config.batch_size * factor})
        yield row
        if row.images_per_s < _MORE_IMAGES * most:
            return
        most = row.images_per_s


def table(rows: Sequence[Row]) -> str:
    """Returns the rows as a table in Markdown."""
    columns = ("s a step", "images a second", "peak GB of memory", "of the GPU's", "days for a million steps")
    lines = [f"| flags beside these | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    for row in rows:
        flags_of_row = f"`{row.flags}`" if row.changes else "none"
        if row.failure:
            cells = [f"failed: {row.failure.replace('|', '/')}", *[""] * (len(columns) - 1)]
        else:
            memory = (f"{row.figures[name]:.1f}" if name in row.figures else "" for name in ("peak_gb", "gpu_peak_gb"))
            days = f"{row.step_s * _DAYS_FOR_MILLION_STEPS:.1f}"
            cells = [f"{row.step_s:.3g}", f"{row.images_per_s:.3g}", *memory, days]
        lines.append(f"| {flags_of_row} | {' | '.join(cells)} |")
    return "\n".join(lines)


def advice(rows: Sequence[Row]) -> str:
    """Returns a text with the flags to take, and with a larger batch if that trains on more images per second."""
    measured = [row for row in rows if not row.failure]
    if not measured:
        return "Take: nothing of these, as none could be measured."
    best = functools.reduce(_faster, (row for row in rows if row.batch_size == rows[0].batch_size))
    text = f"Take: {best.flags or 'no more than the flags given'}"
    most = max(measured, key=lambda row: row.images_per_s)
    if most.images_per_s > _MORE_IMAGES * best.images_per_s:
        ratio = most.images_per_s / best.images_per_s
        text += f"\n\n{ratio:.2f} times the images a second, but by another training: {most.flags}"
    return text


def _changed(training: Command, changes: Mapping[str, Any]) -> Command:
    """Returns a training with other values of the run's options or of the phase's options."""
    of_run = {name: value for name, value in changes.items() if hasattr(training.config, name)}
    of_phase = {name: value for name, value in changes.items() if name not in of_run}
    config, options = training.config, training.options
    return training._replace(
        config=dataclasses.replace(config, **of_run), options=dataclasses.replace(options, **of_phase)
    )


def _faster(best: Row, row: Row) -> Row:
    """Returns `row` if its step is clearly shorter than that of `best`, or else `best`."""
    return row if row.step_s < _LESS_TIME * best.step_s else best


if __name__ == "__main__":
    sys.exit(main())
