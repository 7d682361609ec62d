import numpy as np
import pytest

from ugatit_tf.evaluation.scoring import l1
from ugatit_tf.evaluation.test_set import PairedScores


def flat(value):
    return np.full((2, 2, 3), value, np.uint8)


def test_l1_is_on_a_scale_of_one():
    assert l1(flat(0), flat(255)) == 1.0
    assert l1(flat(255), flat(0)) == 1.0  # no wrap-around of uint8
    assert l1(flat(51), flat(0)) == pytest.approx(0.2)


def test_scores_stand_beside_both_baselines():
    scores = PairedScores(mean_target=np.full((2, 2, 3), 51.0))
    assert scores.add(source=flat(0), output=flat(102), truth=flat(102)) == 0.0
    assert scores.add(source=flat(51), output=flat(0), truth=flat(102)) == pytest.approx(0.4)
    assert scores.summary() == {
        "l1": pytest.approx(0.2),
        "copy_input": pytest.approx(0.3),
        "mean_target": pytest.approx(0.2),
        "images": 2,
    }
