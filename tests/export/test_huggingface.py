"""The repository for the Hub, read by the Hub's own package."""

import dataclasses
import json
import math

import numpy as np
import pytest

from ugatit_tf.checkpoints.checkpoint import open_folder
from ugatit_tf.data import heatmap, images
from ugatit_tf.export import formats, huggingface
from ugatit_tf.reports import scores
from ugatit_tf.reports.scores import Entry, Estimate, Scored

hub = pytest.importorskip("huggingface_hub")


@pytest.fixture
def repository(tiny_config, save_generators, tmp_path, monkeypatch):
    """Writes a repository, with small files for its networks; returns its folder, and its generators."""
    for name in huggingface.FORMATS:
        small = dataclasses.replace(
            formats.FORMATS[name], write=lambda _, size, folder, __, name=name: (folder / name).write_text(f"{size}")
        )
        monkeypatch.setitem(formats.FORMATS, name, small)

    def write(*entries, samples=(), licence="", **changes):
        config = dataclasses.replace(tiny_config, dataset="secret/mine", **changes)
        generators = save_generators(config)
        for entry in entries:
            scores.append(tmp_path / "result" / config.model_dir, entry)
        folder = tmp_path / "export" / "huggingface"
        folder.parent.mkdir()
        pictures = {name: _pictures(config.img_ch) for name in samples}
        checkpoint = open_folder(config.run_checkpoint_dir)
        huggingface.write(folder, config, checkpoint, generators, samples=pictures, licence=licence)
        return folder, generators

    return write


def _pictures(channels):
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, channels), np.uint8)


def entry(step, **values):
    scored = {name: Estimate(value, value - 0.1, value + 0.1) for name, value in values.items()}
    directions = {"A2B": Scored(9, 8, 0, scored), "B2A": Scored(7, 6, 0, scored)}
    return Entry(f"model-{step}", step, "secret/mine", 32, {}, directions)


def test_the_hub_understands_the_card(repository):
    folder, _ = repository(entry(7, FID=50.0), entry(7, FID=40.5, l1=0.25), entry(8, FID=1.0), licence="cc-by-nc-4.0")
    card = hub.ModelCard.load(folder / "README.md")
    data = card.data
    assert isinstance(data, hub.ModelCardData)
    assert (data.license, data.license_name) == ("cc-by-nc-4.0", None)
    assert (data.library_name, data.pipeline_tag) == ("keras", "image-to-image")
    assert "image-to-image" in data.tags
    assert data.model_name == "UGATIT_light on mine"
    # The last of its own step.
    found = {(result.metric_type, result.metric_name): result.metric_value for result in data.eval_results}
    assert found == {
        ("fid", "FID, A2B"): 40.5,
        ("fid", "FID, B2A"): 40.5,
        ("l1", "paired L1, A2B"): 0.25,
        ("l1", "paired L1, B2A"): 0.25,
    }
    assert {(result.task_type, result.dataset_name) for result in data.eval_results} == {("image-to-image", "mine")}
    assert "| FID" in card.text
    assert "| trained | 7 steps |" in card.text
    assert "| licence | cc-by-nc-4.0 |" in card.text
    assert "[B, 32, 32, 3]" in card.text
    assert "secret" not in card.content


def test_what_is_not_known_is_not_stated(repository):
    folder, _ = repository()
    card = hub.ModelCard.load(folder / "README.md")
    assert (card.data.license, card.data.license_name) == ("other", "not-stated")
    assert card.data.eval_results is None
    assert "| licence | not stated: whoever publishes it" in card.text
    assert "Scores" not in card.text
    assert "samples/" not in card.text
    assert not (folder / "samples").exists()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_samples_show_pictures_over_attention_over_translations(repository, channels):
    folder, generators = repository(samples=("A2B",), img_ch=channels)
    assert "![A2B](samples/A2B.png)" in (folder / "README.md").read_text()
    assert [path.name for path in (folder / "samples").iterdir()] == ["A2B.png"]
    sample = images.decode(folder / "samples" / "A2B.png")
    assert sample.shape == (3 * 136, 6 * 136, 3)
    pictures = _pictures(channels)[:6]
    outputs = generators["A2B"](images.to_float(pictures))
    rows = (pictures, None, images.to_uint8(outputs.image.numpy()))
    for column, picture in enumerate(pictures):
        overlay = heatmap.overlay(picture, outputs.heatmap.numpy()[column])
        for row, content in enumerate((rows[0][column], overlay, rows[2][column])):
            tile = sample[136 * row :, 136 * column :][4:132, 4:132]
            np.testing.assert_array_equal(tile[::4, ::4], images.with_channels(content, 3))
            np.testing.assert_array_equal(tile[3::4, 3::4], tile[::4, ::4])
    assert (sample[:4] == 255).all()


def test_both_directions_have_their_networks(repository):
    folder, generators = repository()
    for direction in generators:
        assert {path.name for path in (folder / direction).iterdir()} == {"saved_model", "keras", "signature.json"}
        assert (folder / direction / "keras").read_text() == "32"
        signature = json.loads((folder / direction / "signature.json").read_text())
        assert signature["direction"] == direction
        assert list(signature["formats"]) == ["saved_model", "keras"]


def test_an_interval_that_is_not_known_is_left_out(repository):
    unsure = Scored(1, 1, 0, {"cycle": Estimate(0.5, math.nan, math.nan)})
    folder, _ = repository(Entry("model-7", 7, "mine", 32, {}, {"A2B": unsure}))
    card = hub.ModelCard.load(folder / "README.md")
    assert [result.metric_value for result in card.data.eval_results] == [0.5]
    assert "| cycle L1    | 0.5 |" in card.text
