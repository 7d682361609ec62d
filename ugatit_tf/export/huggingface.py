"""Writes both generators as a repository for the Hugging Face Hub: a model card, the networks, sample pictures."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.config import Config
from ugatit_tf.data import heatmap, images
from ugatit_tf.export import formats, model_card
from ugatit_tf.networks.generator import Generator
from ugatit_tf.reports import scores

NAME = "huggingface"
FORMATS = ("saved_model", "keras")  # the formats in the folder of each direction, keys of formats.FORMATS

_SAMPLES = 6
_SIDE = 128  # the smallest side of a sample image in pixels; smaller ones are enlarged
_GAP = 4  # pixels between sample images
_TAGS = ["u-gat-it", "gan", "image-to-image", "style-transfer", "unpaired", "tensorflow"]


def write(
    folder: Path,
    config: Config,
    checkpoint: Checkpoint,
    generators: Mapping[str, Generator],
    *,
    samples: Mapping[str, np.ndarray],
    licence: str,
) -> None:
    """Writes the repository's files.

    Args:
        folder: the folder of the repository, which does not exist yet.
        config: the configuration of the run, which says where the scores are.
        checkpoint: the checkpoint of the generators.
        generators: the generators by direction.
        samples: the pictures that the card shows, by direction, uint8 `[N, size, size, C]`; it may lack directions.
        licence: the licence as the Hub spells it; "" states none.

    Raises:
        RunError: The history of the run's scores is damaged.
    """
    for direction, generator in generators.items():
        (folder / direction).mkdir(parents=True)
        for name in FORMATS:
            formats.FORMATS[name].write(generator, checkpoint.config.img_size, folder / direction, np.empty(0))
        model_card.write_signature(folder / direction, direction, checkpoint.config, FORMATS)
    for direction, pictures in samples.items():
        (folder / "samples").mkdir(exist_ok=True)
        images.save_png(
            folder / "samples" / f"{direction}.png", _sample_image(generators[direction], pictures[:_SAMPLES])
        )
    results = scores.read(Path(config.result_dir) / config.model_dir)
    entry = next((entry for entry in reversed(results) if entry.step == checkpoint.step), None)
    (folder / "README.md").write_text(_card(checkpoint, entry, samples, licence), encoding="utf-8")


def _card(checkpoint: Checkpoint, entry: scores.Entry | None, samples: Collection[str], licence: str) -> str:
    config = checkpoint.config
    dataset = Path(config.dataset).name
    title = f"{config.model_name} on {dataset}"
    return model_card.render(
        "repository.md.jinja",
        checkpoint.step,
        config,
        title=title,
        metadata=_metadata(title, dataset, entry, licence).to_yaml(),
        licence=licence,
        samples=samples,
        scores=entry.table() if entry else "",
    )


def _metadata(title: str, dataset: str, entry: scores.Entry | None, licence: str) -> Any:
    """Returns the `ModelCardData` of the card."""
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-to-image",
            dataset_type=dataset,
            dataset_name=dataset,
            dataset_split="test",
            metric_type=metric.lower(),
            metric_name=f"{scores.METRICS[metric].label}, {direction}",
            metric_value=score.value,
        )
        for direction, scored in (entry.directions.items() if entry else ())
        for metric, score in scored.scores.items()
    ]
    return ModelCardData(
        license=licence or "other",
        license_name=None if licence else "not-stated",
        library_name="keras",
        pipeline_tag="image-to-image",
        tags=_TAGS,
        model_name=title,
        eval_results=results or None,
    )


def _sample_image(generator: Generator, pictures: np.ndarray) -> np.ndarray:
    """Returns an image of three rows: pictures, their heatmaps, and their translations; uint8 `[H, W, 3]`."""
    outputs = generator(images.to_float(pictures))
    translated, looks = images.to_uint8(outputs.image.numpy()), outputs.heatmap.numpy()
    columns = [
        np.vstack([_enlarged(picture), _enlarged(heatmap.overlay(picture, look)), _enlarged(result)])
        for picture, look, result in zip(pictures, looks, translated, strict=True)
    ]
    return np.hstack(columns)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    """Returns a picture in RGB with a white border, enlarged by a whole number to at least `_SIDE` pixels."""
    times = -(-_SIDE // len(picture))
    large = images.with_channels(picture, 3).repeat(times, axis=0).repeat(times, axis=1)
    return np.pad(large, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255)
