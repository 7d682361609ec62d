"""Scores of generators made by hand, on images made by hand."""

import tracemalloc

import numpy as np
import pytest

from ugatit_tf.data import images
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.data.images import UnreadableImageError
from ugatit_tf.errors import RunError
from ugatit_tf.evaluation import distances
from ugatit_tf.evaluation.collection import Features, Images
from ugatit_tf.evaluation.features import FeatureNetwork
from ugatit_tf.evaluation.scoring import Scorer, score_folders
from ugatit_tf.networks.generator import Translation
from ugatit_tf.reports.scores import METRICS


def flat(levels):
    """An image set of single-coloured pictures; None stands for one that cannot be read."""

    def read(index, side):
        if levels[index] is None:
            raise UnreadableImageError(f"{index}.png: broken")
        return np.full((side or 4, side or 4, 3), levels[index], np.uint8)

    return ImageSet("place", tuple(map(str, range(len(levels)))), read)


def adds(amount, logits=(1.0, 1.0)):
    """A generator that brightens by some levels, and whose CAM sees no difference between domains."""

    def translate(pictures):
        brighter = images.to_float(np.clip(pictures.astype(int) + amount, 0, 255))
        return Translation(brighter, np.tile(logits, (len(pictures), 1)), None)

    return translate


def recognises(pictures):
    """Gives its input back; its CAM takes dark pictures for the source, one logit fewer of them."""
    level = pictures[:, 0, 0, 0].astype(float)
    return Translation(images.to_float(pictures), np.stack([100 - level, 25 - level], axis=1), None)


class ColourNetwork:
    """Features are mean colours and their products; counts the pictures that it sees."""

    def __init__(self):
        self.seen = 0
        self.network = FeatureNetwork(self.run, "colours.pb", "c" * 64)

    def run(self, batch):
        self.seen += len(batch)
        mean = batch.mean(axis=(1, 2))
        return np.concatenate([mean, mean**2, batch.std(axis=(1, 2))], axis=1)


def scorer(a, b, metrics, features=None, paired=True):
    sets = {
        name: Images(levels if isinstance(levels, ImageSet) else flat(levels), f"test{name}", 4, features)
        for name, levels in (("A", a), ("B", b))
    }
    return Scorer(sets, metrics, paired=paired, features=features)


def values(outcome):
    return {name: estimate.value for name, estimate in outcome.scored.scores.items()}


def test_scores_by_hand():
    outcome = scorer([0, 51, 102], [51, 51, 255], METRICS).score({"A2B": adds(51), "B2A": adds(-51)})["A2B"]
    # Translations 51, 102, 153 against 51, 51, 255; forth and back gives the inputs; 255 cannot get brighter.
    assert values(outcome) == pytest.approx(
        {"l1": (0 + 51 + 102) / 3 / 255, "cycle": 0, "identity": 0.4 / 3, "cam": 0.5}
    )
    assert outcome.own["l1"] == pytest.approx([0, 0.2, 0.4])
    assert (outcome.scored.images, outcome.scored.reals, outcome.indices) == (3, 3, [0, 1, 2])
    assert outcome.features is None


def test_the_cycle_begins_in_the_source_domain():
    outcomes = scorer([204, 204], [0, 0], ["cycle"]).score({"A2B": adds(102), "B2A": adds(-102)})
    assert values(outcomes["A2B"]) == pytest.approx({"cycle": 0.2})  # 204, clipped to 255, 153
    assert values(outcomes["B2A"]) == pytest.approx({"cycle": 0.4})  # 0, clipped to 0, 102


def test_cam_accuracy_counts_both_domains_and_both_logits_alike():
    # Of the four sources 10, 20, 30, 200: right are (both, both, one, none), 5 of 8; of the targets 40, 240: one, both.
    outcome = scorer([10, 20, 30, 200], [40, 240], ["cam"]).score({"A2B": recognises})["A2B"]
    assert values(outcome) == {"cam": pytest.approx((5 / 8 + 3 / 4) / 2)}


def test_what_cannot_be_had_is_left_out():
    outcome = scorer([0, 9], [0, 9], METRICS, paired=False).score({"A2B": adds(1)})["A2B"]
    assert set(values(outcome)) == {"identity", "cam"}
    outcome = scorer([0, 9], [0, 9], ["l1"]).score({"A2B": adds(1)})["A2B"]
    assert set(values(outcome)) == {"l1"}
    assert outcome.scored.reals == 0  # no pass over them was needed


def test_unreadable_images_are_listed_and_left_out():
    outcome = scorer([0, None, 51], [51, 51, None, 51], ["cycle", "identity"]).score({"A2B": adds(0), "B2A": adds(51)})
    assert outcome["A2B"].unreadable == ["1.png: broken", "2.png: broken"]
    scored = outcome["A2B"].scored
    assert (scored.images, scored.reals, scored.unreadable) == (2, 3, 2)
    assert outcome["A2B"].indices == [0, 2]
    assert values(outcome["A2B"])["cycle"] == pytest.approx(0.2)


@pytest.mark.parametrize(("a", "b"), [([0], [0, 1]), ([0, None], [0, 1]), ([0, 1], [None])])
def test_fewer_than_two_images_are_one_line(a, b):
    with pytest.raises(RunError, match=r"^place: [01] of [12] images can be read, but scores need at least 2\.$"):
        scorer(a, b, ["cycle", "identity"]).score({"A2B": adds(0), "B2A": adds(0)})


def noisy(seed, count=30):
    pictures = np.random.default_rng(seed).integers(0, 150, (count, 1, 1, 3)) + np.zeros((1, 4, 4, 1), int)
    return ImageSet("noise", tuple(map(str, range(count))), lambda index, side: pictures[index].astype(np.uint8))


def test_distances_are_of_the_translations_from_the_target_domain(tmp_path):
    colours = ColourNetwork()
    features = Features(colours.network, "clean", tmp_path)
    a, b = noisy(0), noisy(1)
    judge = scorer(a, b, ["FID", "KID", "mean_KID"], features)
    outcome = judge.score({"A2B": adds(60)})["A2B"]

    def extract(image_set, amount=0):
        pictures = np.stack([image_set.read(i, 4) for i in range(30)]).astype(int) + amount
        return colours.run((pictures.astype(np.float32) - 128) / 128)

    fakes, target = extract(a, 60), extract(b)
    np.testing.assert_allclose(outcome.features, fakes, atol=1e-5)
    assert values(outcome)["FID"] == pytest.approx(distances.fid(target, fakes), rel=1e-3)
    assert values(outcome)["KID"] == pytest.approx(100 * distances.mmd(target, fakes), rel=1e-3)
    own = [fakes * 128 / 127.5 + 0.5 / 127.5 for fakes in (target, extract(a), fakes)]  # only near, for their squares
    assert values(outcome)["mean_KID"] == pytest.approx(distances.mean_kid_estimate(*own).value, rel=0.05)

    seen = colours.seen
    judge.score({"A2B": adds(50)})
    assert colours.seen == seen + 2 * 30  # the translations alone, in both ways of resizing
    scorer(a, b, ["FID"], features).score({"A2B": adds(50)})
    assert colours.seen == seen + 3 * 30  # the real ones were kept on the disk


def test_folders_of_pictures_of_any_size(tmp_path):
    features = Features(ColourNetwork().network, "clean", tmp_path)
    fakes, reals = (Images(noisy(seed), f"set{seed}", None, features) for seed in (0, 1))
    outcome = score_folders(fakes, reals, METRICS, "clean")
    assert set(values(outcome)) == {"FID", "KID"}
    assert (outcome.scored.images, outcome.scored.reals) == (30, 30)


@pytest.mark.slow
def test_ten_thousand_images_stream():
    """Beyond the features and the scores, memory does not grow with the number of images."""

    def peak(count):
        many = ImageSet("many", ("x",) * count, lambda index, side: np.full((64, 64, 3), index % 251, np.uint8))
        sets = {name: Images(many, name, 64) for name in "AB"}
        tracemalloc.start()
        Scorer(sets, ["cycle", "identity", "cam"], paired=False, features=None).score({"A2B": adds(1), "B2A": adds(1)})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(10_000) - peak(500) < 10e6  # bytes; the images would be 123 MB
