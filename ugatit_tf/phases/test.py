"""`--phase test`: translates the test images in both directions, and writes a page of them."""

import dataclasses
import datetime
from pathlib import Path

from ugatit_tf import json_files
from ugatit_tf.config import Config
from ugatit_tf.direction import Direction
from ugatit_tf.errors import RunError
from ugatit_tf.options import PhaseOptions, checkpoint_option, threads_option


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The checkpoint to test, and the use of the CPU."""

    needs_run = True

    checkpoint: str = checkpoint_option()
    threads: str = threads_option()


def run(config: Config, options: Options) -> None:
    """Writes `results/<model_dir>/{A2B,B2A}/NAME.png`, a page of them and, for known ground truth, `scores.json`.

    The page is `gallery.html` beside the training's `index.html`, or `index.html` itself if nothing was trained here.

    Raises:
        RunError: There is no checkpoint, it does not fit the flags, or the dataset has neither testA nor testB. It is
            also raised after all work is done if some images could not be read; the message names them.
    """
    from ugatit_tf.checkpoints.checkpoint import open_run
    from ugatit_tf.data import sources
    from ugatit_tf.evaluation import test_set
    from ugatit_tf.inference import Translator
    from ugatit_tf.reports import evaluation, gallery, progress
    from ugatit_tf.system import device
    from ugatit_tf.system.files import write_atomically

    print(f"Device: {device.prepare(device.Threads.parse(options.threads), precision=config.precision)}")
    checkpoint = open_run(config, which=options.checkpoint)
    test_sets = dict(zip("AB", sources.open_splits(config, ("testA", "testB"), one_will_do=True), strict=True))
    print(f"Translating with {checkpoint}")
    known = sources.has_ground_truth(config.dataset)
    folder = Path(config.result_dir) / config.model_dir
    sections, scores, unreadable = [], {}, []
    for direction in Direction:
        if len(test_sets[direction.source]):
            translator = Translator.of(checkpoint, direction)
            truth = test_sets[direction.target] if known else None
            task = test_set.Task(direction, translator.translate, test_sets[direction.source], truth)
            section, scores[direction] = test_set.translate(config, folder, task, unreadable)
            sections.append(section)

    if known:
        write_atomically(folder / "scores.json", json_files.dumps(scores, indent=2))
    facts = (
        ("Checkpoint", checkpoint.label),
        ("Dataset", config.dataset),
        ("Image size", f"{config.img_size} px"),
        ("Made", f"{datetime.datetime.now():%Y-%m-%d %H:%M}"),
    )
    trained_here = progress.read(folder) is not None
    pages = [("Training", progress.PAGE)] if trained_here else []
    pages += [("Scores", evaluation.PAGE)] if (folder / evaluation.PAGE).is_file() else []
    path = folder / (progress.GALLERY if trained_here else progress.PAGE)
    gallery.write(path, f"{config.model_name} on {config.dataset}", facts, sections, links=pages)
    progress.write_links(folder)
    print(f"Gallery: {path}")
    if unreadable:
        raise RunError(f"Could not read {len(unreadable)} of the test images: {'; '.join(unreadable)}")
