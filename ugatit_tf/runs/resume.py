"""Resuming a run: restores its state, and logs what has changed since it was last trained."""

import logging
from collections.abc import Mapping

from ugatit_tf import json_files
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.system.files import write_atomically
from ugatit_tf.training.gradients import LossScale
from ugatit_tf.training.ugatit import UGATIT

_log = logging.getLogger(__name__)

COUNTS_FILE = "images.json"  # the number of images of each split, and of replicas
_REPLICAS = "replicas"
# The options that decide the data order: another value would skip or repeat images of this pass over the data.
DATA_ORDER = frozenset({"dataset", "batch_size", "seed"})


def resume(model: UGATIT, checkpoint: Checkpoint) -> None:
    """Restores all state that the checkpoint holds. All other state keeps its initial values.

    A checkpoint of another `--ema` or `--precision` may lack moving averages or loss scales; averages then begin with
    the weights. A converted checkpoint may hold generators alone; then the step comes from its name.

    Raises:
        RunError: The checkpoint belongs to another network, or is damaged.
    """
    bundle = checkpoint.bundle
    averages, scales = bundle.averages, bundle.loss_scales
    starting = set() if averages else {variable.path for variable in model.average_variables}
    fresh = starting if scales else starting | {v.path for v in model.state if v.name in LossScale.NAMES}
    alone = not bundle.has_discriminators
    held = [*model.generator_variables, *model.average_variables] if alone else model.state
    restored = [variable for variable in held if variable.path not in fresh]
    checkpoint.restore(restored, strict=True, others=averages | scales)
    if alone:
        model.step.assign(checkpoint.step)
    note = ", which holds generators alone: the discriminators are new" if alone else ""
    _log.info("Resuming at step %s from %s%s", model.steps_taken, checkpoint.prefix, note)
    if starting:
        model.start_averages()
        _log.info("The moving average starts here, from the weights: the checkpoint has none.")
    elif averages and not model.averages:
        _log.info("The checkpoint's moving average is left out, as --ema is 0.")


def log_changes(config: Config, saved: Config | None, counts: Mapping[str, int], replicas: int = 1) -> None:
    """Logs what has changed since the run was last trained.

    Args:
        config: the run's configuration.
        saved: its configuration when it was last trained; None if it is not known.
        counts: the number of images of each split.
        replicas: the number of replicas that share each batch.
    """
    for name, (now, before) in config.differences(saved).items() if saved is not None else ():
        if name not in ARCHITECTURE | {"run"}:
            _log.info("Changed since the last run: --%s %s -> %s", name, before, now)
    earlier = json_files.read_if_valid(config.run_checkpoint_dir / COUNTS_FILE, dict[str, int])
    if earlier is None or not earlier.keys() >= counts.keys():  # a converted run, or one of an earlier version
        return
    before = earlier.get(_REPLICAS, 1)
    changes = {split: (earlier[split], now) for split, now in counts.items() if earlier[split] != now}
    if before != replicas:
        _log.info(
            "Changed since the last run: %s -> %s replicas; the numbers are the same but for rounding", before, replicas
        )
    for split, (then, now) in changes.items():
        what = f"{split} {then} -> {now} images"
        _log.info("Changed since the last run: %s; in this pass over the data, some may be skipped or come twice", what)


def save_facts(config: Config, counts: Mapping[str, int], replicas: int = 1) -> None:
    """Writes the values with which `log_changes` compares when the run is resumed; see there for the arguments.

    Raises:
        RunError: A file cannot be written.
    """
    RunFolder(config.run_checkpoint_dir).save_config(config)
    write_atomically(config.run_checkpoint_dir / COUNTS_FILE, json_files.dumps({**counts, _REPLICAS: replicas}))
