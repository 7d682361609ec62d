import dataclasses
import json

import numpy as np
import pytest

from benchmarks import demo_runs
from benchmarks.demo_runs import score, spread
from ugatit_tf.data import demo, images


def test_scores_are_those_of_the_test_faces(tiny_config, save_generators, monkeypatch):
    monkeypatch.setitem(demo.SPLIT_SIZES, "testA", 3)
    monkeypatch.setitem(demo.SPLIT_SIZES, "testB", 3)
    config = dataclasses.replace(tiny_config, ema=0.9)
    averages = save_generators(config)
    scores = [score(config.run_checkpoint_dir, averaged=averaged) for averaged in (True, False)]
    for direction, generator in averages.items():
        sources, answers = (np.stack([demo.draw(f"test{d}", i, 32) for i in range(3)]) for d in direction.split("2"))
        outputs = images.to_uint8(generator(images.to_float(sources)).image.numpy())
        expected = np.abs(outputs.astype(float) - answers).mean() / 255
        assert scores[0][direction] == pytest.approx(expected, rel=1e-4)
        assert abs(scores[0][direction] - scores[1][direction]) > 0.001


def test_spread_is_mean_and_range():
    assert spread([0.1, 0.6, 0.2]) == "0.3000 (0.1000 to 0.6000)"


def test_a_report_is_a_row_for_each_kind_of_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo_runs, "RESULTS", tmp_path / "results")
    scores = {"with": [{"A2B": 0.25, "B2A": 0.5}], "without": [{"A2B": 0.125, "B2A": 1.0}]}
    demo_runs.report("some", scores, images=7)
    assert capsys.readouterr().out.splitlines() == [
        "Mean L1 to the ground truth (its range over the seeds), 7 training pictures of each domain",
        "| | A to B | B to A |",
        "| --- | ---: | ---: |",
        "| with | 0.2500 (0.2500 to 0.2500) | 0.5000 (0.5000 to 0.5000) |",
        "| without | 0.1250 (0.1250 to 0.1250) | 1.0000 (1.0000 to 1.0000) |",
    ]
    assert json.loads((tmp_path / "results" / "some.json").read_text()) == {"images": 7, "l1": scores}
