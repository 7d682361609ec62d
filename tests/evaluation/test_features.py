import hashlib
import runpy
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ugatit_tf.errors import RunError, UsageError
from ugatit_tf.evaluation import features
from ugatit_tf.evaluation.features import Extractor, find_input, load

MAKER = runpy.run_path(str(Path(__file__).with_name("conftest.py")))


def noise(count=1, side=40, seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, channels), np.uint8)


def test_the_input_is_what_the_first_convolution_reads():
    assert find_input(MAKER["inception_graph"](), "pool_3") == "Mul"
    assert find_input(MAKER["inception_graph"](image_input=True), "pool_3") == "Mul"


def test_features_are_what_the_graph_computes(inception_file):
    """By hand: convolution, norm, ReLU, two convolutions added, mean."""
    batch = np.random.default_rng(1).uniform(-1, 1, (3, 299, 299, 3)).astype(np.float32)
    rng = np.random.default_rng(0)
    norm = MAKER["NORM"]
    x = tf.nn.conv2d(batch, rng.normal(size=(9, 9, 3, 6)).astype(np.float32), 8, "SAME")
    x = (x - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 0.001) * norm["gamma"] + norm["beta"]
    x = tf.nn.relu(x)
    x = tf.add_n([tf.nn.conv2d(x, rng.normal(size=(3, 3, 6, 6)).astype(np.float32), 2, "SAME") for _ in range(2)])
    network = load(inception_file)
    np.testing.assert_allclose(network.run(batch)[:, 0, 0], tf.reduce_mean(x, (1, 2)), rtol=1e-4, atol=1e-4)
    assert network.checksum == hashlib.sha256(inception_file.read_bytes()).hexdigest()


def test_both_public_forms_of_the_graph_and_the_archive_give_the_same(inception, inception_file, tmp_path):
    other, archive = tmp_path / "other.pb", tmp_path / "inception.tgz"
    other.write_bytes(MAKER["inception_graph"](image_input=True).SerializeToString())
    archive.write_bytes(MAKER["archive_of"](inception))
    pictures = list(noise(3))
    expected = Extractor(load(inception_file), "clean")(pictures)
    assert expected.shape == (3, 6)
    for path in (other, archive):  # other graphs, which may sum in another order
        np.testing.assert_allclose(Extractor(load(path), "clean")(pictures), expected, rtol=1e-4, atol=1e-5)


def test_legacy_is_what_the_graphs_own_preprocessing_does(inception, inception_file):
    picture = noise()[0]
    graph = tf.Graph()
    with graph.as_default():
        given = tf.compat.v1.placeholder(tf.float32, (None, None, None, 3))
        (output,) = tf.compat.v1.import_graph_def(inception, {"ExpandDims:0": given}, ["pool_3:0"])
    expected = tf.compat.v1.Session(graph=graph).run(output, {given: picture[None]})[0, 0, 0]
    np.testing.assert_allclose(Extractor(load(inception_file), "legacy")([picture])[0], expected, rtol=1e-4)


def test_clean_is_bicubic_antialiased_and_not_rounded():
    picture = noise(side=700)[0]
    found = features.RESIZES["clean"](picture)
    rounded = np.asarray(Image.fromarray(picture).resize((299, 299), Image.Resampling.BICUBIC)).astype(np.float32)
    difference = np.abs(found * 128 + 128 - rounded)
    assert 0.1 < np.median(difference) < 0.5  # of 255 levels
    assert features.RESIZES["legacy"](picture).std() > 1.3 * found.std()  # every second pixel is passed over
    white_spot = np.zeros((30, 30, 3), np.uint8)
    white_spot[15, 15] = 255  # a bicubic filter undershoots
    assert features.RESIZES["clean"](white_spot).min() == -1.0


def test_the_authors_resize_by_pillows_bilinear_filter():
    picture = noise(side=64)[0]
    expected = np.asarray(Image.fromarray(picture).resize((299, 299), Image.Resampling.BILINEAR)) / 127.5 - 1
    np.testing.assert_allclose(features.RESIZES["authors"](picture), expected, atol=1e-6)


@pytest.mark.parametrize("resize", features.RESIZES)
def test_ranges(resize):
    black, white = (np.full((20, 20, 3), value, np.uint8) for value in (0, 255))
    assert features.RESIZES[resize](black) == pytest.approx(-1)
    assert features.RESIZES[resize](white) == pytest.approx(1 if resize == "authors" else 127 / 128)


def test_pictures_may_differ_in_size_and_have_any_channels(inception_file):
    extractor = Extractor(load(inception_file), "clean")
    grey = noise(channels=1)[0]
    pictures = [grey, grey.repeat(3, axis=-1), noise(side=50)[0]] + list(noise(20, side=20))
    found = extractor(pictures)
    assert found.shape == (23, 6)
    # Alike but for their places in the batch, by which a convolution may divide its sums.
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-5)


def test_features_that_are_not_finite_are_refused():
    network = features.FeatureNetwork(lambda batch: batch.mean(axis=(1, 2)) / 0, "odd.pb", "0" * 64)
    with np.errstate(all="ignore"), pytest.raises(RunError, match=r"odd\.pb gives features that are not finite"):
        Extractor(network, "clean")(noise())


def test_a_saved_model_by_the_name_of_its_output(tmp_path):
    module = tf.Module()
    module.weights = tf.Variable(tf.ones((3, 5)))

    @tf.function(input_signature=[tf.TensorSpec((None, 299, 299, 3), name="images")])
    def serve(images):
        return {"embedding": tf.reduce_mean(images, (1, 2)) @ module.weights, "other": images}

    tf.saved_model.save(module, str(tmp_path / "model"), signatures=serve)
    network = load(tmp_path / "model", "embedding")
    np.testing.assert_allclose(network.run(np.full((2, 299, 299, 3), 0.5, np.float32)), np.full((2, 5), 1.5), rtol=1e-5)
    assert len(network.checksum) == 64
    with pytest.raises(UsageError, match=r"^--features_output pool_3: .* no such output; it has embedding, other\.$"):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.pb", b"<html>not found</html>", "x.pb cannot be used as a feature network"),
        ("x.tgz", b"<html>not found</html>", "x.tgz cannot be used as a feature network"),
        ("x.pb", b"", "it holds no network"),
        ("missing.pb", None, "No such file"),
    ],
)
def test_a_file_that_is_no_network_is_one_line(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(RunError, match=message) as error:
        load(tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_graph_without_the_output_or_with_two_inputs(inception_file):
    with pytest.raises(UsageError, match=r"^--features_output pool_4: .* it has .*pool_3.*; its last is softmax\.$"):
        load(inception_file, "pool_4")
    with pytest.raises(UsageError, match=r"none of its \d+ operations is called alike; its last is softmax\.$"):
        load(inception_file, "zzzzzzzz")
    maker = MAKER["GraphMaker"]()
    kernel = np.ones((3, 3, 3, 2))
    inputs = [maker.add(name, "Placeholder", dtype=MAKER["FLOAT"]) for name in "ab"]
    both = [maker.convolution(f"conv_{name}", name, kernel) for name in inputs]
    maker.pool("pool_3", maker.add("join", "AddN", both, T=MAKER["FLOAT"]))
    with pytest.raises(ValueError, match="one input to convolutions, and has 2"):
        find_input(maker.graph, "pool_3")


def test_an_output_that_gives_no_features_of_each_image_is_refused(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((None, 299, 299, 3), name="images")])
    def serve(images):
        return {"count": tf.shape(images)[:1], "mean": tf.reduce_mean(images)}

    tf.saved_model.save(tf.Module(), str(tmp_path / "model"), signatures=serve)
    for output in ("count", "mean"):
        with pytest.raises(RunError, match=f"its {output} gives .* of 2 images, and no features"):
            load(tmp_path / "model", output)
