"""`--phase train`: trains from scratch, or goes on where the same command left off."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from ugatit_tf.checkpoints import checkpoint_files, checkpoints
from ugatit_tf.checkpoints.checkpoints import CheckpointWriter
from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.data import pipeline, sources
from ugatit_tf.data.cache import open_caches
from ugatit_tf.data.sources import ImageSet
from ugatit_tf.errors import RunError
from ugatit_tf.runs import loop, memory
from ugatit_tf.runs.summaries import Summaries
from ugatit_tf.system import device, files, lock
from ugatit_tf.training.gradients import LossScale
from ugatit_tf.training.ugatit import UGATIT

_SAMPLES = 4
# What a picture's turn hangs on: with another, those of the present tour would be skipped or seen twice.
_DATA_ORDER = frozenset({"dataset", "batch_size", "seed"})
_SPLITS = ("trainA", "trainB")
_COUNTS_FILE = "images.json"  # how many images each split had last


def run(config: Config) -> None:
    """Trains to the last step, or until Ctrl-C or SIGTERM.

    Raises:
        RunError: where the dataset, the folders or the checkpoint do not allow it.
    """
    with lock.hold(config.run_checkpoint_dir):
        checkpoint_files.clear_leftovers(config.run_checkpoint_dir)
        files.clear_leftovers(Path(config.sample_dir) / config.model_dir)
        _run(config)


def _run(config: Config) -> None:
    print(f"Device: {device.prepare(deterministic=config.deterministic)}")  # before a face detector runs on it
    image_sets = sources.open_splits(config, _SPLITS)
    saved = checkpoints.saved_config(config)
    if saved is not None and checkpoints.listed(config):  # before verifying, which takes its time
        checkpoints.check_architecture(config, saved, ARCHITECTURE | _DATA_ORDER)
    prefix, damaged = checkpoints.find(config)

    for image_set in image_sets:
        skipped = f" ({image_set.skipped} hidden or other files skipped)" if image_set.skipped else ""
        print(f"{image_set.place}: {len(image_set)} images{skipped}")
    print(memory.report(config))
    memory.keep_freed_if_ample(config)

    counts = dict(zip(_SPLITS, map(len, image_sets), strict=True))
    keras.utils.set_random_seed(config.seed)
    with memory.advice(config):
        model = UGATIT(config)
        model.compile()
    if prefix is None:
        print(f"Starting fresh: {config.run_checkpoint_dir} holds no checkpoint.")
    else:
        _resume(model, prefix)
        if saved is not None:
            _tell_changes(config, saved)
        _tell_other_counts(config, counts)
    if int(model.step) >= config.total_steps:
        print(f"All {config.total_steps} steps are done; give a larger --epoch to go on.")
        return

    caches = open_caches(image_sets, config.load_size, config.img_ch, Path(config.cache_dir))
    batches_from = functools.partial(
        pipeline.batches,
        caches,
        config.img_size,
        config.batch_size,
        augment=config.augment_flag,
        seed=config.seed,
        device=device.for_batches(),
    )
    summaries = Summaries(config, *(_samples(config, domain, image_sets) for domain in "AB"), int(model.step))
    checkpoints.save_config(config)
    files.write_atomically(config.run_checkpoint_dir / _COUNTS_FILE, json.dumps(counts).encode())
    complete = loop.train(model, batches_from, CheckpointWriter(model.state, config, damaged), summaries, config)
    print("Training is complete." if complete else "Stopped; the same command goes on from here.")


def _resume(model: UGATIT, prefix: Path) -> None:
    """Restores all state, except for what another `--ema` or `--precision` has left out of the checkpoint.

    Moving averages begin with the weights then, loss scales anew.
    """
    names = checkpoints.names_in(prefix)
    averages, scales = checkpoints.averages(names), checkpoints.loss_scales(names)
    starting = set() if averages else {variable.path for variable in model.average_variables}
    fresh = starting if scales else starting | {v.path for v in model.state if v.name in LossScale.NAMES}
    restored = [variable for variable in model.state if variable.path not in fresh]
    checkpoints.restore(restored, prefix, whole=True, others=averages | scales)
    print(f"Resuming at step {int(model.step)} from {prefix}")
    if starting:
        model.start_averages()
        print("The moving average starts here, from the weights: the checkpoint has none.")
    elif averages and not model.averages:
        print("The checkpoint's moving average is left out, as --ema is 0.")


def _tell_changes(config: Config, saved: Config) -> None:
    for name, (now, before) in config.differences(saved).items():
        if name not in ARCHITECTURE | {"phase"}:
            print(f"Changed since the last run: --{name} {before} -> {now}")


def _tell_other_counts(config: Config, counts: Mapping[str, int]) -> None:
    """Their order hangs on them."""
    try:
        before = json.loads((config.run_checkpoint_dir / _COUNTS_FILE).read_bytes())
        changes = {split: (before[split], now) for split, now in counts.items() if before[split] != now}
    except (OSError, ValueError, TypeError, KeyError):  # a converted run, or one of an earlier version
        return
    for split, (then, now) in changes.items():
        what = f"{split} {then} -> {now} images"
        print(f"Changed since the last run: {what}; in this tour, some may be skipped or come twice")


def _samples(config: Config, domain: str, train_sets: tuple[ImageSet, ...]) -> np.ndarray:
    """The first images of the test split, or, where there is none, of the training split: uint8 `[N, S, S, C]`."""
    try:
        (image_set,) = sources.open_splits(config, (f"test{domain}",))
    except RunError:
        image_set = train_sets["AB".index(domain)]
    return sources.read_all(image_set, range(min(_SAMPLES, len(image_set))), config.img_size, print)
