"""`--phase test`: translates the test images both ways, and makes a page of them."""

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ugatit_tf import inference
from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images, sources
from ugatit_tf.data.sources import ImageSet
from ugatit_tf.errors import RunError
from ugatit_tf.evaluation.paired import PairedScores
from ugatit_tf.inference import Translator
from ugatit_tf.reports import gallery
from ugatit_tf.system import device
from ugatit_tf.system.files import make_folder, write_atomically

_BATCH_SIZE = 8
_SCORE_LABELS = {
    "l1": "Mean L1 to the true answers, 0 to 1",
    "copy_input": "… if the input is copied",
    "mean_target": "… if the mean training image is given",
}


class _Direction(NamedTuple):
    """One way of translating; `answers` are the right translations of `test_set`, one by one, where they are known."""

    source: str
    target: str
    translator: Translator
    test_set: ImageSet
    answers: ImageSet | None

    @property
    def name(self) -> str:
        return f"{self.source}2{self.target}"


def run(config: Config) -> None:
    """Writes `results/<model_dir>/{A2B,B2A}/NAME.png`, `index.html` and, where the answers are known, `scores.json`.

    Raises:
        RunError: where there is no checkpoint, it does not fit the flags, or the dataset has neither testA nor testB;
            and, after all else is done, where some images could not be read, naming them.
    """
    print(f"Device: {device.prepare()}")
    prefix, _ = inference.find_checkpoint(config)
    test_a, test_b = sources.open_splits(config, ("testA", "testB"), one_will_do=True)

    note = inference.note(config, prefix)
    print(f"Translating with {prefix}{note}")
    a_to_b, b_to_a = (
        Translator(inference.restored_generator(config, prefix, name), config.img_size, config.img_ch)
        for name in ("A2B", "B2A")
    )

    answers_known = sources.has_true_answers(config.dataset)
    folder = Path(config.result_dir) / config.model_dir
    sections, scores, unreadable = [], {}, []
    for direction in (
        _Direction("A", "B", a_to_b, test_a, test_b if answers_known else None),
        _Direction("B", "A", b_to_a, test_b, test_a if answers_known else None),
    ):
        if len(direction.test_set):
            section, scores[direction.name] = _test(config, folder, direction, unreadable)
            sections.append(section)

    if answers_known:
        write_atomically(folder / "scores.json", (json.dumps(scores, indent=2) + "\n").encode())
    facts = (
        ("Checkpoint", f"{prefix.name}{note}"),
        ("Dataset", config.dataset),
        ("Image size", f"{config.img_size} px"),
        ("Made", f"{datetime.datetime.now():%Y-%m-%d %H:%M}"),
    )
    gallery.write(folder / "index.html", f"{config.model_name} on {config.dataset}", facts, sections)
    print(f"Gallery: {folder / 'index.html'}")
    if unreadable:
        raise RunError(f"Could not read {len(unreadable)} of the test images: {'; '.join(unreadable)}")


def _test(
    config: Config, folder: Path, direction: _Direction, unreadable: list[str]
) -> tuple[gallery.Section, dict[str, float]]:
    """Translates a direction's test images and saves them; adds to `unreadable` what cannot be read."""
    for place in (direction.name, f"gallery/{direction.name}/input", f"gallery/{direction.name}/attention"):
        make_folder(folder / place)
        for earlier in (folder / place).glob("*.png"):  # of another checkpoint, perhaps of other images
            earlier.unlink()
    paired = PairedScores(_mean_image(config, f"train{direction.target}")) if direction.answers else None
    items = []
    for index, source, attention, output in _translate(config, direction, unreadable):
        name = direction.test_set.names[index]
        pictures = {
            "input": (f"gallery/{direction.name}/input/{name}.png", source),
            "attention": (f"gallery/{direction.name}/attention/{name}.png", attention),
            "output": (f"{direction.name}/{name}.png", output),
        }
        for path, picture in pictures.values():
            images.save_png(folder / path, picture)
        shown = [(caption, path) for caption, (path, _) in pictures.items()]
        note = ""
        if direction.answers and paired:
            note = f"L1 {paired.add(source, output, direction.answers.read(index, config.img_size)):.3f}"
            # The answer is the other direction's input of the same name.
            shown.append(("true answer", f"gallery/{direction.target}2{direction.source}/input/{name}.png"))
        items.append(gallery.Item(name, tuple(shown), note))
    scores = paired.summary() if paired else {}
    summary = tuple((label, f"{scores[key]:.3f}") for key, label in _SCORE_LABELS.items() if scores)
    for label, value in summary:
        print(f"{direction.name}: {label}: {value}")
    return gallery.Section(f"{direction.source} → {direction.target}", summary, tuple(items)), scores


def _translate(
    config: Config, direction: _Direction, unreadable: list[str]
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Yields index, input, heatmap over the input, and output of each readable test image, uint8 `[S, S, C]` each."""
    count = len(direction.test_set)
    with tqdm(total=count, desc=direction.name, unit="image", disable=None) as bar:
        for start in range(0, count, _BATCH_SIZE):
            batch = {}
            for index in range(start, min(start + _BATCH_SIZE, count)):
                try:
                    batch[index] = direction.test_set.read(index, config.img_size)
                except images.UnreadableImageError as error:
                    unreadable.append(str(error))
            if batch:
                translation = direction.translator.translate(np.stack(list(batch.values())))
                outputs = images.to_uint8(translation.image)
                for (index, source), values, output in zip(batch.items(), translation.heatmap, outputs, strict=True):
                    yield index, source, heatmap.overlay(source, values), output
            bar.update(min(_BATCH_SIZE, count - start))


def _mean_image(config: Config, split: str) -> np.ndarray:
    """The mean of a split's images, float `[S, S, C]`, 0 to 255."""
    (image_set,) = sources.open_splits(config, (split,))
    total = sum(image_set.read(index, config.img_size).astype(np.float64) for index in range(len(image_set)))
    return total / len(image_set)
