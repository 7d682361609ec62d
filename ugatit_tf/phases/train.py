"""`--phase train`: trains from scratch, or goes on where the same command left off."""

import dataclasses
import functools
from pathlib import Path

from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.options import PhaseOptions, threads_option

_SPLITS = ("trainA", "trainB")


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """How it is computed: all else that it takes makes up the run."""

    threads: str = threads_option()


def run(config: Config, options: Options) -> None:
    """Trains to the last step, or until Ctrl-C or SIGTERM.

    Raises:
        RunError: where the dataset, the folders or the checkpoint do not allow it.
    """
    from ugatit_tf.checkpoints import writer
    from ugatit_tf.system import files, lock

    with lock.hold(config.run_checkpoint_dir):
        writer.clear_leftovers(config.run_checkpoint_dir)
        files.clear_leftovers(Path(config.sample_dir) / config.model_dir)
        _run(config, options)


def _run(config: Config, options: Options) -> None:
    import keras

    from ugatit_tf.checkpoints.checkpoint import find_newest
    from ugatit_tf.checkpoints.folder import RunFolder
    from ugatit_tf.checkpoints.writer import CheckpointWriter
    from ugatit_tf.data import pipeline, sources
    from ugatit_tf.data.cache import open_caches
    from ugatit_tf.runs import loop, memory, resume
    from ugatit_tf.runs.summaries import Summaries, read_samples
    from ugatit_tf.system import device
    from ugatit_tf.training.ugatit import UGATIT

    threads = device.Threads.parse(options.threads) or memory.threads(config)
    # Before a face detector runs on it.
    print(f"Device: {device.prepare(threads, deterministic=config.deterministic)}")
    image_sets = sources.open_splits(config, _SPLITS)
    saved = RunFolder(config.run_checkpoint_dir).config()
    checkpoint, damaged = find_newest(config, fixed=ARCHITECTURE | resume.DATA_ORDER)

    for image_set in image_sets:
        skipped = f" ({image_set.skipped} hidden or other files skipped)" if image_set.skipped else ""
        print(f"{image_set.place}: {len(image_set)} images{skipped}")
    print(memory.report(config, threads))
    memory.keep_freed_if_ample(config, threads)

    counts = dict(zip(_SPLITS, map(len, image_sets), strict=True))
    keras.utils.set_random_seed(config.seed)
    with memory.advice(config):
        model = UGATIT(config)
        model.compile()
    if checkpoint is None:
        print(f"Starting fresh: {config.run_checkpoint_dir} holds no checkpoint.")
    else:
        resume.resume(model, checkpoint)
        resume.tell_changes(config, saved, counts)
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
    samples = (read_samples(config, domain, train_set) for domain, train_set in zip("AB", image_sets, strict=True))
    summaries = Summaries(config, *samples, int(model.step))
    resume.save_facts(config, counts)
    complete = loop.train(model, batches_from, CheckpointWriter(model.state, config, damaged), summaries, config)
    print("Training is complete." if complete else "Stopped; the same command goes on from here.")
