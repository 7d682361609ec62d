"""Resuming a run: what is restored, and what has changed since."""

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

COUNTS_FILE = "images.json"  # how many images each split had last, and how many replicas shared a batch
_REPLICAS = "replicas"
# What the data order depends on: with another value, images of this pass over the data would be skipped or come twice.
DATA_ORDER = frozenset({"dataset", "batch_size", "seed"})


def resume(model: UGATIT, checkpoint: Checkpoint) -> None:
    """Restores all state that the checkpoint holds; what else there is begins anew.

    Another `--ema` or `--precision` has left moving averages or loss scales out of it: averages begin with the weights.
    A converted one may hold generators alone: discriminators and optimizers are new then, and its name tells the step.

    Raises:
        RunError: where the checkpoint is not of this network, or damaged.
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


def tell_changes(config: Config, saved: Config | None, counts: Mapping[str, int], replicas: int = 1) -> None:
    """Prints what has changed since the run was last trained.

    Args:
        config: of the run.
        saved: what it was trained with then; None where nothing tells.
        counts: how many images each split has.
        replicas: how many share each batch.
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
    """Writes what the run is trained with, for when it goes on; for the arguments see `tell_changes`.

    Raises:
        RunError: where it cannot be written.
    """
    RunFolder(config.run_checkpoint_dir).save_config(config)
    write_atomically(config.run_checkpoint_dir / COUNTS_FILE, json_files.dumps({**counts, _REPLICAS: replicas}))
