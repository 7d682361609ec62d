import json
import math

import pytest

from ugatit_tf.errors import RunError
from ugatit_tf.options import RESIZES
from ugatit_tf.reports import scores
from ugatit_tf.reports.scores import METRICS, Entry, Estimate, Scored


def entry(step=500, **values):
    found = {
        name: value if isinstance(value, Estimate) else Estimate(value, 0.0, 9.0) for name, value in values.items()
    }
    return Entry(f"model-{step}", step, "demo", 64, {}, {name: Scored(100, 90, 1, found) for name in ("A2B", "B2A")})


def test_a_history_grows_and_comes_back(tmp_path):
    folder = tmp_path / "new" / "folder"
    assert scores.read(folder) == []
    entries = [entry(500, FID=3.0), entry(1000, l1=0.1, KID=Estimate(-0.5, math.nan, math.nan, 0.25))]
    for each in entries:
        scores.append(folder, each)
    assert scores.read(folder)[0] == entries[0]
    found = scores.read(folder)[1].directions["A2B"].scores["KID"]
    assert (found.value, found.std) == (-0.5, 0.25)
    assert math.isnan(found.low)
    written = json.loads((folder / "evaluation.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert written[1]["definitions"] == {name: METRICS[name].definition for name in ("KID", "l1")}
    assert written[1]["directions"]["A2B"]["scores"]["KID"] == {"value": -0.5, "low": None, "high": None, "std": 0.25}


def test_what_another_version_wrote_stays(tmp_path):
    scores.append(tmp_path, entry(1))
    path = tmp_path / "evaluation.json"
    written = json.loads(path.read_text())
    written[0]["news"] = {"of": "a later version"}
    path.write_text(json.dumps(written))
    scores.append(tmp_path, entry(2))
    assert json.loads(path.read_text())[0]["news"] == {"of": "a later version"}
    assert [each.step for each in scores.read(tmp_path)] == [1, 2]


@pytest.mark.parametrize("text", ["", "{", "{}", "3", '[{"step": 3}]', "[3]"])
def test_a_damaged_history_is_one_line_and_stays(tmp_path, text):
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"evaluation\.json is damaged .*: move it away"):
        scores.read(tmp_path)
    if not text.startswith("["):
        with pytest.raises(RunError, match="is damaged"):
            scores.append(tmp_path, entry())
    assert path.read_text() == text


def test_the_mean_is_over_both_directions():
    one, other = Estimate(1.0, 0.5, 2.0, 0.1), Estimate(3.0, 2.5, 5.0, 0.1)
    both = Entry("x", 1, "demo", 64, {}, {"A2B": Scored(9, 9, 0, {"l1": one}), "B2A": Scored(9, 9, 0, {"l1": other})})
    assert both.mean("l1") == (2.0, 1.5, 3.5, None)
    assert both.mean("KID") is None
    assert both.scalars == {"evaluation/A2B/l1": 1.0, "evaluation/B2A/l1": 3.0}


def test_a_table_for_people():
    score = Estimate(2.721, 2.1, 3.3, 0.54)
    lines = entry(KID=score, cam=0.5).table().splitlines()
    assert lines[2] == "| KID x 100    | 2.721 ± 0.54 [2.1, 3.3] | 2.721 ± 0.54 [2.1, 3.3] |"
    assert lines[3].split() == ["|", "CAM", "accuracy", "|", "0.5", "[0,", "9]", "|", "0.5", "[0,", "9]", "|"]
    assert lines[-1].split() == ["|", "real", "images", "|", "90", "|", "90", "|"]
    assert len({len(line) for line in lines}) == 1
    assert str(Estimate(1.0, math.nan, math.nan, 0.0)) == "1"


def test_no_name_takes_mean_kid_for_kid():
    assert "not KID" in METRICS["mean_KID"].label
    assert "literature only" in METRICS["mean_KID"].definition


def test_the_options_name_ways_of_resizing_that_there_are():
    from ugatit_tf.evaluation import features

    assert set(RESIZES) | {"authors"} == set(features.RESIZES)
