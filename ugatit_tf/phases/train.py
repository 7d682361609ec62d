"""`--phase train`: trains a run from scratch, or resumes it where the same command stopped."""

import dataclasses
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ugatit_tf.config import ARCHITECTURE, Config
from ugatit_tf.direction import Direction
from ugatit_tf.distribution import MULTI_WORKER, NONE, STRATEGIES
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.options import (
    POSITIVE,
    Constraint,
    PhaseOptions,
    features_option,
    features_output_option,
    one_of,
    option,
    resize_option,
    split_commas,
    threads_option,
    unset_or,
)

if TYPE_CHECKING:
    from ugatit_tf.data.image_set import ImageSet
    from ugatit_tf.data.pipeline import Batch
    from ugatit_tf.distribution.cluster import Cluster
    from ugatit_tf.distribution.team import Team
    from ugatit_tf.runs.evaluation import Evaluation
    from ugatit_tf.system.device import Threads
    from ugatit_tf.training.ugatit import UGATIT

_DEVICES = re.compile(r"(GPU:\d+(,GPU:\d+)*|CPU:\d+(,CPU:\d+)*)?")
_SPLITS = ("trainA", "trainB")


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """How steps are computed, and how checkpoints are scored. All other flags belong to the run."""

    loads_tensorflow = False  # `run` does, as it depends on the strategy

    strategy: str = option(
        "",
        "How devices share the work; by default, mirrored with several GPUs and none otherwise",
        unset_or(one_of(STRATEGIES)),
    )
    devices: str = option(
        "",
        "Devices to use; by default, all GPUs, or else the CPU; CPU:0,CPU:1 treats one CPU as two devices",
        Constraint("such as GPU:0,GPU:1 or CPU:0,CPU:1", lambda value: bool(_DEVICES.fullmatch(value))),
    )
    wait: float = option(600.0, "Seconds to wait for the other workers of a cluster", POSITIVE)
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
        RunError: The dataset, the folders or the checkpoint do not allow the training.
    """
    from ugatit_tf.system import files, lock, startup

    workers = None
    startup.load_tensorflow(hide_errors=options.strategy == MULTI_WORKER)
    if options.strategy == MULTI_WORKER:
        from ugatit_tf.distribution import cluster

        workers = cluster.resolve()
    if workers and not workers.is_chief:
        _run(config, options, workers)
    else:
        from ugatit_tf.checkpoints import writer

        with lock.hold(config.run_checkpoint_dir):
            writer.clear_leftovers(config.run_checkpoint_dir)
            files.clear_leftovers(Path(config.sample_dir) / config.model_dir)
            _run(config, options, workers)
    if workers:
        cluster.leave()


def _run(config: Config, options: Options, workers: "Cluster | None") -> None:
    from ugatit_tf.data import sources
    from ugatit_tf.distribution import strategy, team
    from ugatit_tf.runs import memory
    from ugatit_tf.system import device

    threads = device.Threads.parse(options.threads) or memory.threads(config)
    devices = tuple(filter(None, split_commas(options.devices)))
    # TensorFlow takes no settings after a face detector has run on it, which opening the data does.
    on = device.prepare(
        threads, deterministic=config.deterministic, devices=devices, precision=config.precision, jit=config.jit
    )
    name = strategy.choose(options.strategy, devices)
    print(f"Device: {on}" if name == NONE else f"Device: {on}; {name}")
    image_sets = dict(zip(_SPLITS, sources.open_splits(config, _SPLITS), strict=True))
    with team.opened(name, workers, functools.partial(team.facts, config, image_sets), options.wait) as replicas:
        replicas.check(config.batch_size, jit=config.jit)
        if replicas.size > 1:
            print(replicas)
        if workers and not workers.is_chief:
            print(f"Training as {workers.name(workers.index)}; the chief, {workers.name(0)}, prints the progress.")
            _follow(config, replicas, image_sets)
        else:
            _lead(config, options, replicas, threads, image_sets)


def _lead(
    config: Config, options: Options, team: "Team", threads: "Threads | None", image_sets: "Mapping[str, ImageSet]"
) -> None:
    """Trains as the only worker or as the chief, and writes all files of the run."""
    from ugatit_tf.checkpoints.checkpoint import find_checkpoint
    from ugatit_tf.checkpoints.folder import RunFolder
    from ugatit_tf.checkpoints.writer import CheckpointWriter
    from ugatit_tf.data import sizes
    from ugatit_tf.runs import loop, memory, resume
    from ugatit_tf.runs.summaries import read_samples

    saved = RunFolder(config.run_checkpoint_dir).config()
    checkpoint, damaged = find_checkpoint(config, fixed=ARCHITECTURE | resume.DATA_ORDER)

    for image_set in image_sets.values():
        skipped = f" ({image_set.skipped} hidden or other files skipped)" if image_set.skipped else ""
        print(f"{image_set.place}: {len(image_set)} images{skipped}")
    warning = sizes.find_warning(config, tuple(image_sets.values()))
    if warning:
        print(f"Warning: {warning}")
    print(memory.report(config, threads, team))
    memory.keep_freed_if_ample(config, threads)

    counts = {split: len(image_set) for split, image_set in image_sets.items()}
    model = _build(config, team)
    if checkpoint is None:
        _check_no_best(config)
        print(f"Starting fresh: {config.run_checkpoint_dir} holds no checkpoint.")
    else:
        resume.resume(model, checkpoint)
        resume.log_changes(config, saved, counts, team.size)
    team.send_state(variable.value for variable in model.state)
    evaluation = _evaluation(config, options, model)
    if model.steps_taken >= config.total_steps and not (evaluation and evaluation.is_missing(model.steps_taken)):
        print(f"All {config.total_steps} steps are done; give a larger --epoch to train further.")
        return

    samples = {
        domain: read_samples(config, domain, each) for domain, each in zip("AB", image_sets.values(), strict=True)
    }
    batches = _batches(config, team, image_sets)
    writer = CheckpointWriter(model.state, config, damaged)
    observers = loop.open_observers(config, model)
    resume.save_facts(config, counts, team.size)
    complete = loop.train(model, batches, writer, config, samples=samples, observers=observers, evaluation=evaluation)
    print("Training is complete." if complete else "Stopped; the same command resumes from here.")


def _follow(config: Config, team: "Team", image_sets: "Mapping[str, ImageSet]") -> None:
    """Trains as a worker that is not the chief, and writes nothing."""
    from ugatit_tf.runs import loop

    model = _build(config, team)
    team.send_state(variable.value for variable in model.state)
    loop.follow(model, _batches(config, team, image_sets), config)


def _build(config: Config, team: "Team") -> "UGATIT":
    import keras

    from ugatit_tf.runs import memory
    from ugatit_tf.training.ugatit import UGATIT

    keras.utils.set_random_seed(config.seed)
    with memory.advice(config), team.strategy.scope():
        model = UGATIT(config)
        model.compile()
    return model


def _batches(config: Config, team: "Team", image_sets: "Mapping[str, ImageSet]") -> "Callable[..., Iterator[Batch]]":
    """Returns a function that yields this process's batches from a `first_step` on."""
    from ugatit_tf.data import pipeline
    from ugatit_tf.data.cache import open_caches

    caches = open_caches(tuple(image_sets.values()), config.load_size, config.img_ch, Path(config.cache_dir))
    part_of_batches = functools.partial(
        pipeline.batches,
        caches,
        config.img_size,
        config.batch_size,
        augment=config.augment_flag,
        flip=config.flip,
        seed=config.seed,
    )
    return lambda first_step: team.batches(functools.partial(part_of_batches, first_step=first_step))


def _check_no_best(config: Config) -> None:
    """Raises a RunError if the folder holds only the best checkpoint of an earlier training.

    It would be taken for the best checkpoint of the new training.
    """
    from ugatit_tf.checkpoints.folder import BEST_FOLDER, RunFolder

    folder = RunFolder(config.run_checkpoint_dir)
    if folder.best():
        raise RunError(
            f"{folder.path} holds only the best checkpoint of an earlier training, in {BEST_FOLDER}/: copy its files "
            "into the folder to resume from it, or move it away to start from scratch."
        )


def _evaluation(config: Config, options: Options, model: "UGATIT") -> "Evaluation | None":
    """Returns what scores the checkpoints, and prints how long a score takes; None if scoring is turned off."""
    if not config.evaluate_freq:
        return None
    from ugatit_tf.data import sources
    from ugatit_tf.evaluation import collection, pictures
    from ugatit_tf.evaluation.scoring import Scorer
    from ugatit_tf.inference import Translator
    from ugatit_tf.reports.scores import METRICS, Entry
    from ugatit_tf.runs.evaluation import Evaluation

    def score(label: str, step: int) -> Entry:
        return scorer.entry(config, label, step, scorer.score(translators))

    def draw(step: int) -> None:
        pictures.write_stage(Path(config.result_dir) / config.model_dir, step, scorer.test_sets, translators)

    evaluation = Evaluation(config, model.steps_taken, score, draw)
    metric = evaluation.metric
    if metric == "l1" and not sources.has_ground_truth(config.dataset):
        raise UsageError(f"--keep_best l1: {config.dataset} has no known right translations; choose another score.")
    features = None
    if METRICS[metric].needs_features:
        folder = collection.features_folder(config)
        features = collection.open_features(options.features, options.features_output, options.resize, folder)
    scorer = Scorer.of_dataset(config, [metric], features, show=False)
    translators = {
        direction: Translator(model.sampler(direction.target), config.img_size, config.img_ch).translate
        for direction in Direction
    }
    print(
        f"Scoring: {METRICS[metric].label} of the test images, every {config.evaluate_freq} steps, about "
        f"{scorer.seconds(translators):.2g} s each time; the steps' rate does not count them"
    )
    return evaluation
