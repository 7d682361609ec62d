"""A run's `status.json`: where it stands, also while it goes on. Needs no TensorFlow."""

import dataclasses
import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ugatit_tf import json_files
from ugatit_tf.checkpoints.folder import STATUS_FILE
from ugatit_tf.system.files import write_atomically

NETWORKS = ("discriminator_A", "discriminator_B", "generator_A", "generator_B")  # begin a metric's name; as in a step


class Alarm(NamedTuple):
    """What the owner of a run is warned of.

    Attributes:
        name: of the trouble and its place; a run has each at most once.
        step: at which it was noticed.
        text: what it is, with the numbers, what it means and what to try; one line.
    """

    name: str
    step: int
    text: str


@dataclasses.dataclass(frozen=True)
class Status:
    """Where a run stands.

    Attributes:
        step: steps done.
        total_steps: of the whole training.
        iteration: steps in an epoch.
        steps_per_second: of late, saves and samples included; None where it is not known yet.
        metrics: of a step shortly before, or of this one; None for what was no finite number.
        warnings: all that the run has raised.
        memory: what its `Watch` remembers.
        written: when, in seconds since 1970.
    """

    step: int
    total_steps: int
    iteration: int
    steps_per_second: float | None
    metrics: dict[str, float | None]
    warnings: tuple[Alarm, ...]
    memory: dict[str, Any]
    written: float

    @property
    def place(self) -> str:
        """How far the run is, such as "1,200 of 2,000 (60.0%), epoch 5 of 8"."""
        epoch, epochs = max(1, -(-self.step // self.iteration)), self.total_steps // self.iteration
        return f"{self.step:,} of {self.total_steps:,} ({self.step / self.total_steps:.1%}), epoch {epoch} of {epochs}"

    @property
    def pace(self) -> str:
        """Its rate and what that means, such as "2.5 steps/s, about 0:05:20 left"."""
        if self.steps_per_second is None:
            return "not known yet"
        missing = self.total_steps - self.step
        left = f"about {duration(missing / self.steps_per_second)} left" if missing else "complete"
        return f"{self.steps_per_second:.3g} steps/s, {left}"


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds, such as "0:05:20"."""
    return str(datetime.timedelta(seconds=round(seconds)))


def write(folder: Path, status: Status) -> None:
    """Writes a run's `status.json`.

    Raises:
        RunError: where it cannot be written.
    """
    write_atomically(folder / STATUS_FILE, json_files.dumps(status, indent=2))


def read(folder: Path) -> Status | None:
    """A run's status; None where there is none, as in a converted folder, or none that this version wrote."""
    return json_files.read_if_valid(folder / STATUS_FILE, Status)
