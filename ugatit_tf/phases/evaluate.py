"""`--phase evaluate`: scores checkpoints, or folders of pictures, by FID, KID, cycle L1, CAM accuracy and others."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ugatit_tf.config import Config
from ugatit_tf.direction import Direction
from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.options import (
    BEST,
    NEWEST,
    Constraint,
    PhaseOptions,
    features_option,
    features_output_option,
    model_option,
    option,
    path_option,
    resize_option,
    some_of,
    split_commas,
    threads_option,
)
from ugatit_tf.reports import scores
from ugatit_tf.reports.scores import METRICS, Entry

if TYPE_CHECKING:
    from ugatit_tf.evaluation.collection import Features
    from ugatit_tf.evaluation.scoring import Outcome
    from ugatit_tf.inference import Translator

ALL = "all"


def _are_checkpoints(value: str) -> bool:
    return value == ALL or all(part in (NEWEST, BEST) or part.isdecimal() for part in split_commas(value))


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The checkpoints or pictures to score, and the scores."""

    checkpoints: str = option(
        NEWEST,
        "Which of the run's checkpoints to score",
        Constraint("all, or newest, best and steps, separated by commas", _are_checkpoints),
    )
    model: str = model_option()
    fakes: str = path_option("", "Folder of translated pictures, made by any program, to score instead of a run")
    reals: str = path_option("", "Folder of real pictures to compare --fakes with")
    metrics: str = option(",".join(METRICS), "Scores to compute, separated by commas", some_of(tuple(METRICS)))
    features: str = features_option()
    features_output: str = features_output_option()
    resize: str = resize_option()
    compare: str = path_option("", "Another run, or its folder of results, to show beside this one on the page")
    threads: str = threads_option()

    @property
    def needs_run(self) -> bool:
        return not (self.model or self.fakes)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names in `metrics`, in the order of METRICS."""
        return tuple(name for name in METRICS if name in split_commas(self.metrics))

    @property
    def needs_features(self) -> bool:
        """Whether one of the scores needs the feature network."""
        return any(METRICS[name].needs_features for name in self.wanted)

    def validate(self, config: Config) -> None:
        super().validate(config)
        if bool(self.fakes) != bool(self.reals):
            raise UsageError("--fakes and --reals need each other.")
        if self.fakes and self.model:
            raise UsageError("--model and --fakes: give one of them.")
        if self.fakes and self.compare:
            raise UsageError("--compare: folders of pictures have no page to show another run on.")
        if self.fakes and not self.needs_features:
            raise UsageError(f"--metrics {self.metrics}: of folders of pictures there are only FID and KID.")


def run(config: Config, options: Options) -> None:
    """Prints the scores, and adds them to `results/<model_dir>/evaluation.json` and to TensorBoard's curves.

    The page `evaluation.html` beside that file shows the scores. Scores of folders of pictures go to
    `results/folders/evaluation.json`, and there is no page of them.

    Raises:
        UsageError: A folder of pictures does not exist.
        RunError: The checkpoint, the feature network or the dataset is missing or cannot be used, or a set has fewer
            than two readable images.
    """
    from ugatit_tf.evaluation import collection
    from ugatit_tf.system import device

    print(f"Device: {device.prepare(device.Threads.parse(options.threads), precision=config.precision)}")
    results = Path(config.result_dir) / ("folders" if options.fakes else config.model_dir)
    scores.read(results)  # raises an error for a damaged history now, not after the work
    features = None
    if options.needs_features:
        folder = Path(config.cache_dir) / "features" if options.fakes else collection.features_folder(config)
        features = collection.open_features(options.features, options.features_output, options.resize, folder)
    if options.fakes:
        _score_folders(config, options, features, results)
    else:
        _score_generators(config, options, features, results)
    print(f"History: {results / scores.HISTORY_FILE}")


def _score_generators(config: Config, options: Options, features: "Features | None", results: Path) -> None:
    from ugatit_tf.evaluation import pictures
    from ugatit_tf.evaluation.scoring import Scorer
    from ugatit_tf.reports import evaluation as page
    from ugatit_tf.reports import progress
    from ugatit_tf.runs.summaries import write_scores

    compare = _compared(config, options.compare)
    scorer = None
    for label, step, networks in _networks(config, options):
        if scorer is None:  # all networks take images of one size
            translator = next(iter(networks.values()))
            config = dataclasses.replace(config, img_size=translator.size, img_ch=translator.channels)
            scorer = Scorer.of_dataset(config, options.wanted, features)
        print(f"Scoring {label}")
        translators = {name: translator.translate for name, translator in networks.items()}
        outcomes = scorer.score(translators)
        entry = scorer.entry(config, label, step, outcomes)
        _record(results, entry, outcomes)
        if step is not None:
            write_scores(Path(config.log_dir) / config.model_dir / "evaluation", step, entry.scalars)
            pictures.write_stage(results, step, scorer.test_sets, translators)
    pictures.write_details(
        results, config, label, sets=scorer.test_sets, translators=translators, outcomes=outcomes, features=features
    )
    print(f"Page: {page.write(results, f'Scores of {config.model_name} on {config.dataset}', compare)}")
    progress.write_links(results)


def _compared(config: Config, run: str) -> Path | None:
    """Returns the folder of results that `run`, a folder or the name of a run, stands for; None for an empty text."""
    if not run:
        return None
    for folder in (Path(run), Path(config.result_dir) / Path(run).name):
        if (folder / scores.HISTORY_FILE).is_file():
            return folder
    raise RunError(f"--compare {run}: there is no {scores.HISTORY_FILE}, nor in {folder}; evaluate that run first.")


def _score_folders(config: Config, options: Options, features: "Features", results: Path) -> None:
    from ugatit_tf.data.sources import folder
    from ugatit_tf.evaluation.collection import Images
    from ugatit_tf.evaluation.scoring import score_folders

    sets = []
    for name, place in (("fakes", Path(options.fakes)), ("reals", Path(options.reals))):
        if not place.is_dir():
            raise UsageError(f"--{name} {place}: no such folder.")
        sets.append(Images(folder.open_folder(place, config.img_ch), f"{name}-{place.name}", None, features))
    outcome = score_folders(*sets, options.wanted, options.resize)
    entry = Entry(options.fakes, None, options.reals, 0, features.facts, {"folders": outcome.scored})
    _record(results, entry, {"folders": outcome})


def _networks(config: Config, options: Options) -> "Iterator[tuple[str, int | None, Mapping[str, Translator]]]":
    """Yields the label, the step and the translators by direction of each network to score, in the order of steps."""
    from ugatit_tf.checkpoints.checkpoint import open_run
    from ugatit_tf.checkpoints.folder import RunFolder
    from ugatit_tf.inference import Translator, directions_of, load_generator

    if options.model:
        names = directions_of(options.model)
        yield options.model, None, {name: load_generator(options.model, name) for name in names}
        return
    names = split_commas(options.checkpoints)
    if options.checkpoints == ALL:
        names = list(map(str, RunFolder(config.run_checkpoint_dir).by_step(config.model_name))) or [NEWEST]
    found = {checkpoint.step: checkpoint for checkpoint in (open_run(config, which=name) for name in names)}
    for step, checkpoint in sorted(found.items()):
        yield checkpoint.label, step, {name: Translator.of(checkpoint, name) for name in Direction}


def _record(results: Path, entry: Entry, outcomes: "Mapping[str, Outcome]") -> None:
    """Adds the scores to the history, and prints them."""
    scores.append(results, entry)
    for line in sorted({line for outcome in outcomes.values() for line in outcome.unreadable}):
        print(f"Left out: {line}")
    print(entry.table())
    few = min(min(scored.images, scored.reals) for scored in entry.directions.values())
    if few < scores.FEW_FOR_FID and any("FID" in scored.scores for scored in entry.directions.values()):
        print(f"FID is biased upwards below {scores.FEW_FOR_FID:,} images: compare by KID.")
