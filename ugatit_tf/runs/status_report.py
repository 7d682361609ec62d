"""Report on where a run stands, as text; writes nothing, and needs TensorFlow only to verify a checkpoint."""

import datetime
import time
from collections.abc import Mapping
from pathlib import Path

from ugatit_tf.checkpoints.folder import STATUS_FILE, RunFolder, step_in_name
from ugatit_tf.errors import RunError
from ugatit_tf.runs import status
from ugatit_tf.runs.status import NETWORKS, Status, duration
from ugatit_tf.system import lock

_LABEL = 12  # characters


def tell(folder: RunFolder) -> None:
    """Prints what `status.json` and a run's folder tell, and at last whether the newest checkpoint is intact."""
    now = time.time()
    current = status.read(folder.path)
    _say("Run", str(folder.path))
    _say("Now", lock.describe(folder.path))
    if current is not None:
        _tell_status(current, now)
    else:
        _tell_without(folder)
    _tell_best(folder)
    _tell_checkpoint(folder, now)


def _tell_status(current: Status, now: float) -> None:
    _say("Step", current.place)
    _say("Rate", current.pace)
    _say("As of", _when(current.written, now))
    _say("Losses", _numbers(current.metrics, "d_loss", "g_loss"))
    for network in NETWORKS:
        if names := [name for name in current.metrics if name.startswith(f"{network}/")]:
            _say("", f"{network}: {_numbers(current.metrics, *names)}")
    for index, alarm in enumerate(current.warnings):
        _say("" if index else "Warnings", f"step {alarm.step:,}: {alarm.text}")
    if not current.warnings:
        _say("Warnings", "none")


def _tell_without(folder: RunFolder) -> None:
    """What the folder tells of a run that was converted, or trained before there was a `status.json`."""
    prefix = _newest(folder)
    try:
        config = folder.config()
    except RunError:
        config = None
    total = f"{config.total_steps:,}" if config else "an unknown number"
    _say("Step", f"{step_in_name(prefix) if prefix else 0:,} of {total}, by the newest checkpoint")
    _say(
        "Rate",
        f"not known, nor losses and warnings: no readable {STATUS_FILE}, which training writes from its first log on",
    )


def _tell_best(folder: RunFolder) -> None:
    try:
        best = folder.best()
    except RunError as error:
        _say("Best", f"DAMAGED: {error}")
        return
    if best is not None:
        _say("Best", f"step {best.step:,}: {best.metric} {best.value:.4g}")


def _tell_checkpoint(folder: RunFolder, now: float) -> None:
    prefix = _newest(folder)
    if prefix is None:
        _say("Checkpoint", "none yet")
        return
    try:
        saved = _index(prefix).stat().st_mtime
        size = sum(path.stat().st_size for path in folder.path.glob(f"{prefix.name}.*"))
    except FileNotFoundError:  # the run has replaced it this moment
        _tell_checkpoint(folder, now)
        return
    _say("Checkpoint", f"{prefix.name}, saved {_when(saved, now)}")
    _say("Check", f"reading {size / 1e9:.2g} GB ...")
    _say("", _check(prefix))


def _check(prefix: Path) -> str:
    import tensorflow as tf  # only here, as loading it takes seconds

    from ugatit_tf.checkpoints.bundle import Bundle

    tf.config.set_visible_devices([], "GPU")  # which a run may be on
    try:
        Bundle(prefix).verify()
    except RunError as error:
        if not _index(prefix).exists():
            return "it was replaced meanwhile by a newer one"
        return f"DAMAGED: {error}"
    return "intact: everything matches its checksum"


def _newest(folder: RunFolder) -> Path | None:
    return next(iter(folder.checkpoints()), None)


def _index(prefix: Path) -> Path:
    return Path(f"{prefix}.index")


def _say(label: str, text: str) -> None:
    print(f"{label:{_LABEL}}{text}", flush=True)


def _numbers(metrics: Mapping[str, float | None], *names: str) -> str:
    values = ((name.rpartition("/")[2], metrics.get(name)) for name in names)
    return ", ".join(f"{name} {'not finite' if value is None else f'{value:.4g}'}" for name, value in values)


def _when(seconds: float, now: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds)
    return f"{moment:%Y-%m-%d %H:%M:%S}, {duration(max(now - seconds, 0))} ago"
