"""`--phase train`: trains from scratch, or goes on where the same command left off."""

import dataclasses
import functools
from pathlib import Path
from typing import TYPE_CHECKING

from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.options import PhaseOptions, features_option, features_output_option, resize_option, threads_option

if TYPE_CHECKING:
    from ugatit_tf.runs.evaluation import Evaluation
    from ugatit_tf.training.ugatit import UGATIT

_SPLITS = ("trainA", "trainB")


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """How steps are computed, and what checkpoints are scored with; all else that it takes makes up the run."""

    threads: str = threads_option()
    features: str = features_option()
    features_output: str = features_output_option()
    resize: str = resize_option()

    def validate(self, config: Config) -> None:
        super().validate(config)
        if config.keep_best and not config.evaluate_freq:
            raise UsageError("--keep_best needs --evaluate_freq: the steps between scores.")


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
        _check_no_best(config)
        print(f"Starting fresh: {config.run_checkpoint_dir} holds no checkpoint.")
    else:
        resume.resume(model, checkpoint)
        resume.tell_changes(config, saved, counts)
    evaluation = _evaluation(config, options, model)
    if int(model.step) >= config.total_steps and not (evaluation and evaluation.is_missing(int(model.step))):
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
    writer = CheckpointWriter(model.state, config, damaged)
    complete = loop.train(model, batches_from, writer, summaries, config, evaluation=evaluation)
    print("Training is complete." if complete else "Stopped; the same command goes on from here.")


def _check_no_best(config: Config) -> None:
    """Refuses to begin beside the best checkpoint of an earlier training, which would pass for this one's."""
    from ugatit_tf.checkpoints.folder import BEST_FOLDER, RunFolder

    folder = RunFolder(config.run_checkpoint_dir)
    if folder.best():
        raise RunError(
            f"{folder.path} holds no checkpoint but the best one of an earlier training, in {BEST_FOLDER}/: copy that "
            "one's files into the folder to go on from it, or move it away to start anew."
        )


def _evaluation(config: Config, options: Options, model: "UGATIT") -> "Evaluation | None":
    """What scores the checkpoints, if that is asked for; says what it costs."""
    if not config.evaluate_freq:
        return None
    from ugatit_tf.data import sources
    from ugatit_tf.evaluation import collection
    from ugatit_tf.evaluation.evaluator import Evaluator
    from ugatit_tf.inference import DIRECTIONS, Translator
    from ugatit_tf.reports.scores import METRICS, Entry
    from ugatit_tf.runs.evaluation import Evaluation

    def score(label: str, step: int) -> Entry:
        return evaluator.evaluate(label, step, translators)[0]

    def draw(step: int) -> None:
        evaluator.write_stage(Path(config.result_dir) / config.model_dir, step, translators)

    evaluation = Evaluation(config, int(model.step), score, draw)
    metric = evaluation.metric
    if metric == "l1" and not sources.has_ground_truth(config.dataset):
        raise UsageError(
            f"--keep_best l1: nobody knows the right translations of {config.dataset}; take another score."
        )
    features = None
    if METRICS[metric].needs_features:
        folder = collection.features_folder(config)
        features = collection.open_features(options.features, options.features_output, options.resize, folder)
    evaluator = Evaluator(config, [metric], features, show=False)
    translators = {
        name: Translator(model.sampler(domain), config.img_size, config.img_ch).translate
        for name, domain in DIRECTIONS.items()
    }
    print(
        f"Scoring: {METRICS[metric].label} of the test images, every {config.evaluate_freq} steps, about "
        f"{evaluator.scorer.seconds(translators):.2g} s each time, which the steps' rate leaves out"
    )
    return evaluation
