"""Both generators as a repository for the Hugging Face Hub: a model card, the networks, samples of what they do."""

from collections.abc import Mapping
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
FORMATS = ("saved_model", "keras")  # of formats.FORMATS: what there is of each direction

_SAMPLES = 6
_SIDE = 128  # pixels, that images of sample pictures have at least
_GAP = 4  # pixels between them
_TAGS = ["u-gat-it", "gan", "image-to-image", "style-transfer", "unpaired", "tensorflow"]
_NO_LICENCE = "not stated: whoever publishes it fills this in, with regard to the rights in the training pictures"
_CARD = """\
# {title}

Translates pictures of one kind into pictures of another, both ways: A to B (`A2B`) and B to A (`B2A`). U-GAT-IT
([arXiv:1907.10830](https://arxiv.org/abs/1907.10830)), trained without pairs of pictures that belong together.

{facts}

{samples}## How to load it

USER/NAME stands for this repository. With the Python package `ugatit_tf`:

```python
import ugatit_tf
translate = ugatit_tf.load_generator("hf://USER/NAME", direction="A2B")
outputs = translate(images)  # uint8 [B, H, W, {channels}], any size, to uint8 [B, {size}, {size}, {channels}]
```

With TensorFlow alone:

```python
import tensorflow as tf
from huggingface_hub import snapshot_download
model = tf.saved_model.load(snapshot_download("USER/NAME", allow_patterns="A2B/1/*") + "/A2B/1")
outputs = model.translate_uint8(images)
```

`signature.json` says what else goes in and out.

## What to expect

It has learned from pictures such as those of its dataset, cropped as they are: others come out worse. What it draws is
made up, and says nothing about the persons that a picture shows.
{evaluation}
## Configuration

{configuration}
"""


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
        folder: does not exist yet; the folder above it does.
        config: of the run: where its scores are.
        checkpoint: what the generators are of.
        generators: by direction.
        samples: by direction, pictures of the dataset to show on the card, uint8 `[N, size, size, C]`; may be empty.
        licence: as the Hub spells it; "": not stated.

    Raises:
        RunError: where the history of the run's scores is damaged.
    """
    for direction, generator in generators.items():
        (folder / direction).mkdir(parents=True)
        source = formats.Source(generator, checkpoint.config.img_size, np.empty(0))
        for name in FORMATS:
            formats.FORMATS[name].write(source, folder / direction)
        model_card.write_signature(folder / direction, direction, checkpoint.config, FORMATS)
    for direction, pictures in samples.items():
        (folder / "samples").mkdir(exist_ok=True)
        images.save_png(folder / "samples" / f"{direction}.png", _sample(generators[direction], pictures[:_SAMPLES]))
    results = scores.read(Path(config.result_dir) / config.model_dir)
    entry = next((entry for entry in reversed(results) if entry.step == checkpoint.step), None)
    (folder / "README.md").write_text(_card(checkpoint, entry, list(samples), licence), encoding="utf-8")


def _card(checkpoint: Checkpoint, entry: scores.Entry | None, samples: list[str], licence: str) -> str:
    config = checkpoint.config
    dataset = Path(config.dataset).name
    title = f"{config.model_name} on {dataset}"
    shown = [
        f"`{name}`: inputs, where the network looks, and what it makes of them.\n\n![{name}](samples/{name}.png)\n\n"
        for name in samples
    ]
    text = _CARD.format(
        title=title,
        facts=model_card.facts_of(checkpoint.step, config, licence or _NO_LICENCE),
        size=config.img_size,
        channels=config.img_ch,
        samples="".join(shown),
        evaluation=f"\n## Scores\n\nOf translations of the test pictures, with 95% intervals.\n\n{entry.table()}\n"
        if entry
        else "",
        configuration=model_card.configuration_of(config),
    )
    return f"---\n{_metadata(title, dataset, entry, licence).to_yaml()}\n---\n\n{text}"


def _metadata(title: str, dataset: str, entry: scores.Entry | None, licence: str) -> Any:
    """The card's `ModelCardData`."""
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


def _sample(generator: Generator, pictures: np.ndarray) -> np.ndarray:
    """Pictures over the attention over their translations, uint8 `[H, W, 3]`."""
    outputs = generator(images.to_float(pictures))
    translated, looks = images.to_uint8(outputs.image.numpy()), outputs.heatmap.numpy()
    columns = [
        np.vstack([_tile(picture), _tile(heatmap.overlay(picture, look)), _tile(result)])
        for picture, look, result in zip(pictures, looks, translated, strict=True)
    ]
    return np.hstack(columns)


def _tile(picture: np.ndarray) -> np.ndarray:
    times = -(-_SIDE // len(picture))
    large = images.with_channels(picture, 3).repeat(times, axis=0).repeat(times, axis=1)
    return np.pad(large, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255)
