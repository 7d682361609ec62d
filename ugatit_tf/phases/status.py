"""`--phase status`: tells where a run stands, also while it goes on; writes nothing."""

import datetime
import fcntl
import time
from collections.abc import Mapping
from pathlib import Path

from ugatit_tf.checkpoints import names
from ugatit_tf.config import CONFIG_FILE, Config
from ugatit_tf.errors import RunError
from ugatit_tf.runs import status
from ugatit_tf.runs.status import NETWORKS, STATUS_FILE, Status
from ugatit_tf.system.lock import LOCK_FILE

_SHOWN_RUNS = 10
_LABEL = 12  # characters


def run(config: Config) -> None:
    """Prints what `status.json` and the run's folder tell, and at last whether the newest checkpoint is whole.

    Raises:
        RunError: where there is no such run, naming those that there are.
    """
    folder = config.run_checkpoint_dir
    if not _is_run(folder):
        raise RunError(f"There is no run in {folder}: {_others(Path(config.checkpoint_dir))}")
    now = time.time()
    current = status.read(folder)
    _say("Run", str(folder))
    _say("Now", _now(folder))
    if current is not None:
        _tell(current, now)
    else:
        _tell_without(folder)
    _tell_checkpoint(folder, now)


def _tell(current: Status, now: float) -> None:
    done = f"{current.step / current.total_steps:.1%}"
    epoch, epochs = -(-current.step // current.iteration), current.total_steps // current.iteration
    _say("Step", f"{current.step:,} of {current.total_steps:,} ({done}), epoch {epoch} of {epochs}")
    if current.steps_per_second is None:
        _say("Rate", "not known yet")
    else:
        missing = current.total_steps - current.step
        left = f"about {_duration(missing / current.steps_per_second)} left" if missing else "complete"
        _say("Rate", f"{current.steps_per_second:.3g} steps/s, {left}")
    _say("As of", _when(current.written, now))
    _say("Losses", _numbers(current.metrics, "d_loss", "g_loss"))
    for network in NETWORKS:
        if names := [name for name in current.metrics if name.startswith(f"{network}/")]:
            _say("", f"{network}: {_numbers(current.metrics, *names)}")
    for index, alarm in enumerate(current.warnings):
        _say("" if index else "Warnings", f"step {alarm.step:,}: {alarm.text}")
    if not current.warnings:
        _say("Warnings", "none")


def _tell_without(folder: Path) -> None:
    """What the folder tells of a run that was converted, or trained before there was a `status.json`."""
    prefix = _newest(folder)
    try:
        total = f"{Config.from_json((folder / CONFIG_FILE).read_text(encoding='utf-8')).total_steps:,}"
    except (OSError, ValueError, RunError):
        total = "an unknown number"
    _say("Step", f"{names.step_in_name(prefix) if prefix else 0:,} of {total}, by the newest checkpoint")
    _say(
        "Rate",
        f"not known, nor losses and warnings: no readable {STATUS_FILE}, which training writes from its first log on",
    )


def _now(folder: Path) -> str:
    """Whether a run holds the folder's lock; a crash leaves the file, but not the lock."""
    try:
        with (folder / LOCK_FILE).open("rb") as file:
            holder = file.read().decode(errors="replace").strip()
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return "not running"
    except (BlockingIOError, PermissionError):
        return f"running: {holder or 'another process'}"
    except OSError as error:  # a file system without locks
        return f"not known: {error.strerror}"
    return "not running"


def _tell_checkpoint(folder: Path, now: float) -> None:
    prefix = _newest(folder)
    if prefix is None:
        _say("Checkpoint", "none yet")
        return
    try:
        saved = _index(prefix).stat().st_mtime
        size = sum(path.stat().st_size for path in folder.glob(f"{prefix.name}.*"))
    except FileNotFoundError:  # the run has replaced it this moment
        _tell_checkpoint(folder, now)
        return
    _say("Checkpoint", f"{prefix.name}, saved {_when(saved, now)}")
    _say("Check", f"reading {size / 1e9:.2g} GB ...")
    _say("", _check(prefix))


def _check(prefix: Path) -> str:
    import tensorflow as tf  # only here, as loading it takes seconds

    from ugatit_tf.checkpoints import checkpoint_files

    tf.config.set_visible_devices([], "GPU")  # which a run may be on
    try:
        checkpoint_files.verify(prefix)
    except RunError as error:
        if not _index(prefix).exists():
            return "it was replaced meanwhile by a newer one"
        return f"DAMAGED: {error}"
    return "whole: everything matches its checksum"


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CONFIG_FILE, STATUS_FILE)) or _newest(folder) is not None


def _others(root: Path) -> str:
    runs = sorted(folder.name for folder in root.iterdir() if _is_run(folder)) if root.is_dir() else []
    if not runs:
        return f"nor any other in {root}."
    more = f", and {len(runs) - _SHOWN_RUNS} more" if len(runs) > _SHOWN_RUNS else ""
    return f"the flags make up its name. There are {', '.join(runs[:_SHOWN_RUNS])}{more}."


def _newest(folder: Path) -> Path | None:
    return next(iter(names.listed(folder)), None)


def _index(prefix: Path) -> Path:
    return Path(f"{prefix}.index")


def _say(label: str, text: str) -> None:
    print(f"{label:{_LABEL}}{text}", flush=True)


def _numbers(metrics: Mapping[str, float | None], *names: str) -> str:
    values = ((name.rpartition("/")[2], metrics.get(name)) for name in names)
    return ", ".join(f"{name} {'not finite' if value is None else f'{value:.4g}'}" for name, value in values)


def _when(seconds: float, now: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}, {_duration(max(now - seconds, 0))} ago"


def _duration(seconds: float) -> str:
    return str(datetime.timedelta(seconds=round(seconds)))
