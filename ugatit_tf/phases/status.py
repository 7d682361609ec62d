"""`--phase status`: prints the state of a run, also while it trains; writes nothing."""

import dataclasses
import datetime
import time
from collections.abc import Mapping
from pathlib import Path

from ugatit_tf.checkpoints import choice
from ugatit_tf.checkpoints.folder import STATUS_FILE, RunFolder, step_in_name
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.options import PhaseOptions
from ugatit_tf.runs import status
from ugatit_tf.runs.status import NETWORKS, Status, duration
from ugatit_tf.system import lock, startup

_LABEL = 12  # characters


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The phase takes no flags of its own."""

    loads_tensorflow = False
    needs_run = True


def run(config: Config, options: Options) -> None:
    """Prints what `status.json` and the run's folder say, and last whether the newest checkpoint is intact.

    Raises:
        RunError: There is no such run. The message names the runs that exist.
    """
    folder = RunFolder(config.run_checkpoint_dir)
    if not folder.exists:
        raise RunError(f"There is no run in {folder.path}. {choice.existing_runs(Path(config.checkpoint_dir))}")
    now = time.time()
    current = status.read(folder.path)
    _print_line("Run", str(folder.path))
    _print_line("Now", lock.describe(folder.path))
    if current is not None:
        _print_status(current, now)
    else:
        _print_step(folder)
    _print_best(folder)
    _print_checkpoint(folder, now)


def _print_status(current: Status, now: float) -> None:
    _print_line("Step", current.place)
    _print_line("Rate", current.pace)
    _print_line("As of", _moment_text(current.written, now))
    _print_line("Losses", _numbers_text(current.metrics, "d_loss", "g_loss"))
    for network in NETWORKS:
        if names := [name for name in current.metrics if name.startswith(f"{network}/")]:
            _print_line("", f"{network}: {_numbers_text(current.metrics, *names)}")
    for index, alarm in enumerate(current.warnings):
        _print_line("" if index else "Warnings", f"step {alarm.step:,}: {alarm.text}")
    if not current.warnings:
        _print_line("Warnings", "none")


def _print_step(folder: RunFolder) -> None:
    """Prints the step of a run without a `status.json`: a converted run, or one of an earlier version."""
    prefix = _newest(folder)
    try:
        config = folder.config()
    except RunError:
        config = None
    total = f"{config.total_steps:,}" if config else "an unknown number"
    _print_line("Step", f"{step_in_name(prefix) if prefix else 0:,} of {total}, by the newest checkpoint")
    _print_line(
        "Rate",
        f"not known, nor losses and warnings: no readable {STATUS_FILE}, which training writes from its first log on",
    )


def _print_best(folder: RunFolder) -> None:
    try:
        best = folder.best()
    except RunError as error:
        _print_line("Best", f"DAMAGED: {error}")
        return
    if best is not None:
        _print_line("Best", f"step {best.step:,}: {best.metric} {best.value:.4g}")


def _print_checkpoint(folder: RunFolder, now: float) -> None:
    prefix = _newest(folder)
    if prefix is None:
        _print_line("Checkpoint", "none yet")
        return
    try:
        saved = _index_of(prefix).stat().st_mtime
        size = sum(path.stat().st_size for path in folder.path.glob(f"{prefix.name}.*"))
    except FileNotFoundError:  # the run has replaced it this moment
        _print_checkpoint(folder, now)
        return
    _print_line("Checkpoint", f"{prefix.name}, saved {_moment_text(saved, now)}")
    _print_line("Check", f"reading {size / 1e9:.2g} GB ...")
    _print_line("", _verify(prefix))


def _verify(prefix: Path) -> str:
    startup.load_tensorflow()  # only here, as loading it takes seconds
    import tensorflow as tf

    from ugatit_tf.checkpoints.bundle import Bundle

    tf.config.set_visible_devices([], "GPU")  # a run may be using it
    try:
        Bundle(prefix).verify()
    except RunError as error:
        if not _index_of(prefix).exists():
            return "it was replaced meanwhile by a newer one"
        return f"DAMAGED: {error}"
    return "intact: everything matches its checksum"


def _newest(folder: RunFolder) -> Path | None:
    return next(iter(folder.checkpoints()), None)


def _index_of(prefix: Path) -> Path:
    return Path(f"{prefix}.index")


def _print_line(label: str, text: str) -> None:
    print(f"{label:{_LABEL}}{text}", flush=True)


def _numbers_text(metrics: Mapping[str, float | None], *names: str) -> str:
    values = ((name.rpartition("/")[2], metrics.get(name)) for name in names)
    return ", ".join(f"{name} {'not finite' if value is None else f'{value:.4g}'}" for name, value in values)


def _moment_text(seconds: float, now: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}, {duration(max(now - seconds, 0))} ago"
