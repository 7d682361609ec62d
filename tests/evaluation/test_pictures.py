import json

import numpy as np
import pytest
from PIL import Image

from ugatit_tf.data import images
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.evaluation import pictures
from ugatit_tf.evaluation.collection import Features, Images
from ugatit_tf.evaluation.features import FeatureNetwork
from ugatit_tf.evaluation.scoring import Scorer
from ugatit_tf.networks.generator import Translation


def flat(*levels):
    def read(index, side):
        return np.full((side, side, 3), levels[index], np.uint8)

    return ImageSet("place", tuple(f"image {level}" for level in levels), read)


def brighter(batch):
    """Adds a level to every picture, the brighter the more."""
    outputs = images.to_float(batch + batch // 10)
    return Translation(outputs, np.zeros((len(batch), 2)), None)


def colours(batch):
    """Level and a constant: the nearest by their angle is the nearest by its level."""
    level = (batch.mean(axis=(1, 2, 3)) + 1) / 2
    return np.stack([level, 0.5 + 0 * level], axis=1)


@pytest.fixture
def sets(tiny_config, tmp_path):
    features = Features(FeatureNetwork(colours, "colours", "c" * 64), "clean", tmp_path / "features")
    levels = {"A": [10 * i for i in range(24)], "B": [5 * i for i in range(24)]}
    return {name: Images(flat(*levels[name]), f"test{name}", 32, features) for name in "AB"}, features


def details(results):
    return json.loads((results / "evaluation" / "details" / "details.json").read_text())["directions"]


def level(path):
    picture = np.asarray(Image.open(path))
    assert picture.min() == picture.max()
    return int(picture[0, 0, 0])


def test_a_stage_shows_the_first_test_images(sets, tmp_path):
    both, _ = sets
    for step in (100, 200):
        pictures.write_stage(tmp_path, step, both, {"A2B": brighter, "B2A": brighter})
    folder = tmp_path / "evaluation"
    names = [f"image {10 * i}.png" for i in range(6)]
    assert sorted(path.name for path in (folder / "outputs" / "200" / "A2B").iterdir()) == sorted(names)
    for i, name in enumerate(names):
        assert level(folder / "inputs" / "A2B" / name) == 10 * i
        assert level(folder / "outputs" / "100" / "A2B" / name) == 11 * i
    assert level(folder / "outputs" / "100" / "B2A" / "image 25.png") == 27


@pytest.mark.parametrize(("metric", "by"), [("l1", "paired L1"), ("cycle", "cycle L1")])
def test_the_best_and_the_worst_ten(sets, tiny_config, tmp_path, metric, by):
    both, _ = sets
    translators = {"A2B": brighter, "B2A": brighter}
    outcomes = Scorer(both, [metric], paired=True, features=None).score(translators)
    pictures.write_details(
        tmp_path, tiny_config, "model-7", sets=both, translators=translators, outcomes=outcomes, features=None
    )
    found = details(tmp_path)["A2B"]
    assert found["by"] == by
    expected = [abs(11 * i - (5 * i if metric == "l1" else 10 * i)) / 255 for i in range(24)]
    if metric == "l1":
        assert [item["value"] for item in found["best"]] == pytest.approx(expected[:10])
        assert [item["value"] for item in found["worst"]] == pytest.approx(expected[:13:-1])
        assert [item["name"] for item in found["worst"]][:2] == ["image 230", "image 220"]
    item = found["worst"][0]
    folder = tmp_path / "evaluation" / "details"
    number = int(item["name"].split()[1])
    shown = {caption: level(folder / path) for caption, path in item["pictures"].items()}
    assert shown == {"input": number, "output": number + number // 10} | (
        {"ground truth": number // 2} if metric == "l1" else {}
    )
    assert "neighbours" not in found


def test_the_nearest_training_images(sets, tiny_config, tmp_path, monkeypatch):
    both, features = sets
    train = flat(*range(0, 256, 7))
    monkeypatch.setattr("ugatit_tf.evaluation.pictures.sources.open_splits", lambda config, splits: (train,))
    translators = {"A2B": brighter}
    outcomes = Scorer(both, ["KID"], paired=False, features=features).score(translators)
    pictures.write_details(
        tmp_path, tiny_config, "model-7", sets=both, translators=translators, outcomes=outcomes, features=features
    )
    found = details(tmp_path)["A2B"]
    assert "nearest real test image" in found["by"]
    assert len(found["neighbours"]) == 20
    values = [item["value"] for item in found["neighbours"]]
    assert values == sorted(values)
    for item in found["neighbours"]:
        shown = {key: level(tmp_path / "evaluation" / "details" / path) for key, path in item["pictures"].items()}
        assert abs(shown["nearest training image"] - shown["output"]) <= 4
    assert 0 <= found["median"] < 0.01
    assert 0 <= found["usual"] < 0.01


def test_few_images_are_not_shown_as_best_and_worst_at_once(tiny_config, tmp_path):
    both = {name: Images(flat(1, 2, 3), f"test{name}", 32) for name in "AB"}
    outcomes = Scorer(both, ["l1"], paired=True, features=None).score({"A2B": brighter})
    pictures.write_details(
        tmp_path, tiny_config, "x", sets=both, translators={"A2B": brighter}, outcomes=outcomes, features=None
    )
    found = details(tmp_path)["A2B"]
    assert (len(found["best"]), len(found["worst"])) == (1, 1)
