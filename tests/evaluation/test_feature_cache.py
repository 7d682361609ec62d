import numpy as np
import pytest

from ugatit_tf.evaluation.collection import cached_features
from ugatit_tf.evaluation.features import Extractor, FeatureNetwork


class Network:
    """Features are the mean colours; counts the pictures that it sees."""

    def __init__(self, checksum="a" * 64, output="pool_3"):
        self.seen = 0
        self.network = FeatureNetwork(self.run, "file", checksum, output)

    def run(self, batch):
        self.seen += len(batch)
        return batch.mean(axis=(1, 2))

    def features(self, folder, images, resize="clean"):
        return cached_features(images, Extractor(self.network, resize), folder, "testA")


def pictures(count, seed=0):
    return list(np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8))


def test_what_is_known_is_not_computed_again(tmp_path):
    network = Network()
    some = pictures(5)
    first = network.features(tmp_path, iter(some))
    assert (first.shape, first.dtype, network.seen) == ((5, 3), np.float32, 5)
    np.testing.assert_array_equal(network.features(tmp_path, reversed(some)), first[::-1])
    assert network.seen == 5


def test_only_what_is_new_is_computed_and_what_has_gone_is_forgotten(tmp_path):
    network = Network()
    network.features(tmp_path, pictures(5))
    network.features(tmp_path, [*pictures(5)[:3], *pictures(2, seed=1), *pictures(1, seed=1)])
    assert network.seen == 7  # a picture that comes twice is computed once
    network.features(tmp_path, pictures(5))
    assert network.seen == 9


def test_another_network_or_another_way_of_resizing_has_features_of_its_own(tmp_path):
    one, other = Network(), Network("b" * 64)
    some = pictures(3)
    for network, resize in ((one, "clean"), (one, "legacy"), (other, "clean"), (one, "clean")):
        network.features(tmp_path, some, resize)
    assert (one.seen, other.seen) == (6, 3)


def test_another_layer_of_the_same_network_has_features_of_its_own(tmp_path):
    some = pictures(3)
    one, other = Network(output="pool_3"), Network(output="mixed/join")
    other.network = other.network._replace(run=lambda batch: 2 * one.run(batch))
    first = one.features(tmp_path, some)
    np.testing.assert_array_equal(other.features(tmp_path, some), 2 * first)
    np.testing.assert_array_equal(one.features(tmp_path, some), first)
    assert one.seen == 6  # 3 of each layer


def test_a_set_larger_than_what_is_held_at_once(tmp_path):
    network = Network()
    found = network.features(tmp_path, iter(pictures(150)))
    np.testing.assert_allclose(found, [(p.mean((0, 1)) - 128) / 128 for p in pictures(150)], atol=0.02)


@pytest.mark.parametrize("damage", [b"", b"no archive", b"PK\3\4"])
def test_a_damaged_file_is_told_and_replaced(tmp_path, caplog, damage):
    network = Network()
    network.features(tmp_path, pictures(2))
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    network.features(tmp_path, pictures(2))
    assert "cannot read" in caplog.text
    network.features(tmp_path, pictures(2))
    assert network.seen == 4


def test_a_place_that_cannot_be_written_is_done_without(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert Network().features(tmp_path / "file", pictures(2)).shape == (2, 3)
    assert "are not cached" in caplog.text
