"""Distances held to recordings of other implementations (tests/golden/metrics), to hand-made numbers and properties."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from ugatit_tf.evaluation import distances
from ugatit_tf.evaluation.distances import Subsets

GOLDEN = Path(__file__).parents[1] / "golden" / "metrics"
SCORES = json.loads((GOLDEN / "scores.json").read_text())
RECORDED = dict(np.load(GOLDEN / "features.npz"))
PACKAGES = ("torch-fidelity", "torchmetrics")


def sample(seed, count=200, dimension=8, shift=0.0):
    return np.random.default_rng(seed).normal(shift, size=(count, dimension))


@pytest.mark.parametrize("case", SCORES)
@pytest.mark.parametrize("package", PACKAGES)
def test_fid_and_kid_are_those_of_other_implementations(case, package):
    real, fake = RECORDED[f"{case}/real"], RECORDED[f"{case}/fake"]
    expected = SCORES[case][package]
    subsets = [Subsets(*indices) for indices in RECORDED[f"{case}/{package}/subsets"]]
    assert distances.fid(real, fake) == pytest.approx(expected["fid"], rel=1e-6)
    assert distances.kid(real, fake, subsets) == pytest.approx((expected["kid"], expected["kid_std"]), rel=1e-6)


def test_the_authors_blocks_are_those_of_another_implementation():
    real, fake = RECORDED["many/real"][:120], RECORDED["many/fake"]
    np.testing.assert_allclose(distances.kid_blocks(real, fake), SCORES["many"]["blocks of 10"], rtol=1e-6)


def test_fid_by_hand():
    # Means 0 and 3; sample variances 2 and 8, so 3^2 + 2 + 8 - 2 sqrt(2 * 8).
    assert distances.fid(np.array([[-1.0], [1.0]]), np.array([[1.0], [5.0]])) == pytest.approx(9 + 2 + 8 - 8)
    # Covariances diag(2, 0) and diag(0, 2) have nothing in common: 2 + 2.
    assert distances.fid(np.array([[-1.0, 0], [1, 0]]), np.array([[0, -1.0], [0, 1]])) == pytest.approx(4)


def test_kid_by_hand():
    # k(1, 1) = 8, k(1, 0) = k(0, 0) = 1: without the diagonal 8 and 1, between them 1.
    x, y = np.array([[1.0], [1.0]]), np.array([[0.0], [0.0]])
    assert distances.mmd(x, y) == pytest.approx(8 + 1 - 2 * 1)
    assert distances.mmd(np.array([[1.0], [0.0]]), y) == pytest.approx(1 + 1 - 2 * 1)


def test_halves_of_one_set_are_near_and_unrelated_sets_are_far():
    one, other, unrelated = sample(0, 500), sample(1, 500), sample(2, 500, shift=1.0)
    assert distances.fid(one, one) == pytest.approx(0, abs=1e-9)
    assert distances.fid(one, other) < 0.2
    assert distances.fid(one, unrelated) == pytest.approx(8, rel=0.15)
    near, far = (distances.kid_estimate(one, each) for each in (other, unrelated))
    assert abs(near.value) < 5
    assert far.value > 100
    assert near.low < 0 < near.high
    assert 0 < far.low < far.value < far.high


def test_kid_is_unbiased():
    everything = sample(3, 400)
    values = []
    for seed in range(200):
        order = np.random.default_rng(seed).permutation(400)
        values.append(distances.mmd(everything[order[:20]], everything[order[20:40]]))
    assert abs(np.mean(values)) < 2 * np.std(values) / math.sqrt(len(values))


def test_fid_is_biased_and_kid_is_not():
    few, many = (
        np.mean([distances.fid(sample(s, n), sample(-s - 9 + 10**6, n)) for s in range(20)]) for n in (20, 400)
    )
    assert few > 5 * many


def test_subsets_have_no_image_twice():
    subsets = distances.draw_subsets(30, 12, count=5, size=1000, seed=1)
    assert [len(subset.real) for subset in subsets] == [12] * 5
    assert all(len(set(indices)) == 12 for subset in subsets for indices in subset)
    assert max(subset.real.max() for subset in subsets) > 12
    assert [len(subset.fake) for subset in distances.draw_subsets(30, 12, count=2, size=7)] == [7, 7]
    assert len(distances.draw_subsets(12, 12, count=5)) == 1


@pytest.mark.parametrize(("counts", "sizes"), [((100, 100), [10] * 10), ((25, 25), [8, 8, 9]), ((7, 7), [7])])
def test_the_authors_blocks_differ_by_one_image_at_most(monkeypatch, counts, sizes):
    seen = []
    monkeypatch.setattr(distances, "mmd", lambda x, y: seen.append((len(x), len(y))) or float(x[0, 0]))
    real = np.arange(counts[0], dtype=float)[:, None]
    starts = distances.kid_blocks(real, real)
    assert seen == [(size, size) for size in sizes]
    assert starts.tolist() == np.cumsum([0, *sizes[:-1]]).tolist()  # in order


def test_sets_too_unlike_for_blocks_are_refused():
    with pytest.raises(ValueError, match="100 and 19 images"):
        distances.kid_blocks(sample(0, 100), sample(1, 19))


def test_mean_kid_is_the_authors_formula():
    target, source, fake = sample(0, 100), sample(1, 100, shift=0.7), sample(2, 100, shift=0.2)
    blocks = [100 * distances.kid_blocks(real, fake) for real in (target, source)]
    estimate = distances.mean_kid_estimate(target, source, fake)
    assert estimate.value == pytest.approx((0.02 * blocks[0].mean() + 0.98 * blocks[1].mean()) / 2)
    errors = [np.sqrt(np.var(each, ddof=1) / 10) for each in blocks]
    assert estimate.std == pytest.approx((0.02 * errors[0] + 0.98 * errors[1]) / 2)
    assert estimate.low < estimate.value < estimate.high


def test_mean_estimate_by_hand():
    estimate = distances.mean_estimate([[0.0, 1.0], [1.0, 1.0, 1.0]])
    assert estimate == (0.75, 0.5, 1.0, None)
    values = np.random.default_rng(0).normal(5, 2, 400)
    estimate = distances.mean_estimate([values])
    margin = 1.96 * values.std() / 20
    assert estimate.low == pytest.approx(values.mean() - margin, abs=0.15 * margin)
    assert estimate.high == pytest.approx(values.mean() + margin, abs=0.15 * margin)


def test_resamples_of_kid_count_no_image_with_its_copy():
    x, y = sample(0, 6, 3), sample(1, 5, 3)
    weights = np.array([2.0, 0, 1, 3, 0, 0]), np.array([1.0, 1, 0, 0, 3])

    def pairs(features, w):
        kernel = (features @ features.T / 3 + 1) ** 3
        counted = [(w[i] * w[j], kernel[i, j]) for i in range(len(w)) for j in range(len(w)) if i != j]
        return sum(n * k for n, k in counted) / sum(n for n, _ in counted)

    between = weights[0] @ (x @ y.T / 3 + 1) ** 3 @ weights[1] / (6 * 5)
    drawn = iter([weights[0]] * 1000 + [weights[1]] * 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "_resample", lambda *_: next(drawn))
        patch.setattr(distances, "_ROWS", 4)  # several pieces
        replicates = distances._mmd_replicates(x, y, None)
    np.testing.assert_allclose(replicates, pairs(x, weights[0]) + pairs(y, weights[1]) - 2 * between)


@pytest.mark.parametrize(("estimate", "true"), [(distances.kid_estimate, 0.0), (distances.fid_estimate, None)])
def test_intervals_cover(estimate, true):
    """Nine in ten hold what they are of; of FID, which is biased, the mean of such sets' own."""
    found = [estimate(sample(2 * seed, 60, 3), sample(2 * seed + 1, 60, 3, 0.5)) for seed in range(40)]
    if true is None:
        true = np.mean([each.value for each in found])
    else:
        true = 100 * distances.mmd(sample(10**6, 5000, 3), sample(10**6 + 1, 5000, 3, 0.5))
    assert sum(each.low <= true <= each.high for each in found) >= 32
    assert np.std([each.value for each in found]) == pytest.approx(
        np.mean([(each.high - each.low) / 3.92 for each in found]), rel=0.5
    )


def test_two_images_are_enough():
    estimate = distances.fid_estimate(sample(0, 2), sample(1, 2)), distances.kid_estimate(sample(0, 2), sample(1, 2))
    assert np.isfinite([list(each[:3]) for each in estimate]).all()
    estimate = distances.mean_kid_estimate(sample(0, 2), sample(1, 2), sample(2, 2))
    assert math.isfinite(estimate.value)
    assert math.isnan(estimate.low)
