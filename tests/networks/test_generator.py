import itertools
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints.tf1 import reference_names
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator

GOLDEN = Path(__file__).parents[1] / "golden"


def built(light=True, size=32, perturbed=False, name="generator_B", **arguments):
    generator = Generator(**({"ch": 2, "n_res": 1} | arguments), light=light, name=name)
    generator.build((None, size, size, generator.img_ch))
    if perturbed:
        rng = np.random.default_rng(0)
        for variable in generator.variables:
            variable.assign(variable + rng.normal(scale=0.5, size=variable.shape))
    return generator


def images(batch, height=32, width=32, channels=3):
    return np.random.default_rng(1).uniform(-1, 1, (batch, height, width, channels)).astype("float32")


def assert_equal_outputs(network, other, inputs):
    keras.tree.map_structure(np.testing.assert_array_equal, network(inputs), other(inputs))


@pytest.mark.parametrize(
    ("light", "n_res", "img_ch", "batch"), [(True, 1, 1, 3), (True, 2, 3, 1), (False, 1, 4, 3), (False, 2, 3, 1)]
)
def test_output_shapes_and_range(light, n_res, img_ch, batch):
    generator = built(light, n_res=n_res, img_ch=img_ch, perturbed=True)
    image, cam_logits, heatmap = generator(images(batch, channels=img_ch))
    assert image.shape == (batch, 32, 32, img_ch)
    assert cam_logits.shape == (batch, 2)
    assert heatmap.shape == (batch, 8, 8)
    assert 0.9 < np.abs(image).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(36, 44), (64, 64)])
def test_light_takes_other_sizes_than_it_was_built_for(height, width):
    image, _, heatmap = built()(images(1, height, width))
    assert image.shape == (1, height, width, 3)
    assert heatmap.shape == (1, height // 4, width // 4)


def test_light_may_be_built_without_a_size():
    assert [v.shape for v in built(size=None).variables] == [v.shape for v in built(size=32).variables]


def test_full_cannot_be_built_without_a_size():
    with pytest.raises(ValueError, match="fixed image size"):
        built(light=False, size=None)


def test_full_refuses_another_size_than_it_was_built_for():
    with pytest.raises(ValueError, match="size"):
        built(light=False)(images(1, 64, 64))


@pytest.mark.parametrize("light", [True, False])
def test_images_of_a_batch_do_not_see_each_other(light):
    generator, batch = built(light, perturbed=True), images(3)
    together = generator(batch)
    for i in range(3):
        alone = generator(batch[i : i + 1])
        for one, all_ in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], all_[i], atol=1e-4 * np.abs(all_).max())


def test_heatmap_is_the_channel_sum_after_relu():
    generator = built(perturbed=True)
    generator.attention_conv.kernel.assign(np.zeros((1, 1, 16, 8)))
    generator.attention_conv.bias.assign([-3, -2, -1, 0, 1, 2, 3, 4])
    np.testing.assert_allclose(generator(images(1)).heatmap, np.full((1, 8, 8), 1 + 2 + 3 + 4))


def parameters(network):
    """Counts without allocating: in a graph, initial values are only symbols."""
    with tf.Graph().as_default():
        network.build((None, 256, 256, 3))
        return sum(v.shape.num_elements() for v in network.trainable_variables)


@pytest.mark.parametrize(
    ("light", "alone", "whole"), [(False, 278_970_308, 670_776_976), (True, 10_600_388, 134_037_136)]
)
def test_parameter_counts_at_256_px(light, alone, whole):
    count = parameters(Generator(light=light))
    assert count == alone
    assert 2 * count + 2 * parameters(Discriminator()) == whole


@pytest.mark.parametrize("domain", ["A", "B"])
@pytest.mark.parametrize(("folder", "light"), [("light_lsgan_sn", True), ("full_hinge", False)])
def test_variables_are_the_references(folder, light, domain):
    rows = [row.split(" ", 1) for row in (GOLDEN / folder / "variables.txt").read_text().splitlines()]
    expected = {name: rest for name, rest in rows if name.startswith(f"generator_{domain}/") and "/Adam" not in name}
    assert expected
    generator = built(light, n_res=4, name=f"generator_{domain}")
    names = reference_names(generator.variables)
    assert {name: f"{list(v.shape)} trainable" for name, v in names.items()} == expected
    assert len(names) == len(generator.trainable_variables)


def test_no_two_kernels_start_equal():
    kernels = defaultdict(list)
    for generator in (built(n_res=2), built(n_res=2, name="generator_A")):
        for variable in generator.variables:
            if variable.name == "kernel":
                kernels[tuple(variable.shape)].append(variable.numpy())
    assert max(map(len, kernels.values())) > 2
    for first, second in itertools.chain.from_iterable(itertools.combinations(k, 2) for k in kernels.values()):
        assert not np.allclose(first, second)


@pytest.mark.parametrize("light", [True, False])
def test_initial_values(light):
    keras.utils.set_random_seed(0)
    for variable in built(light, ch=4).variables:
        value = variable.numpy()
        if variable.name == "kernel":
            # Five standard errors; a truncated normal of the same stddev has 0.88 of the spread.
            assert abs(value.mean()) < 5 * 0.02 / value.size**0.5, variable.path
            assert abs(value.std() / 0.02 - 1) < 5 / (2 * value.size) ** 0.5, variable.path
        else:
            expected = {"bias": 0, "beta": 0, "gamma": 1, "rho": 0 if "layer_ins_norm" in variable.path else 1}
            np.testing.assert_array_equal(value, np.full(value.shape, expected[variable.name]), variable.path)


@pytest.mark.parametrize("light", [True, False])
def test_a_tensorflow_checkpoint_holds_every_weight(light, tmp_path):
    # tf.train.Checkpoint silently skips layers in lists and dicts.
    original, restored = built(light, perturbed=True), built(light)
    prefix = tf.train.Checkpoint(model=original).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(model=restored).read(prefix).assert_consumed()
    for one, other in zip(original.variables, restored.variables, strict=True):
        np.testing.assert_array_equal(one, other, one.path)


@pytest.mark.parametrize("light", [True, False])
def test_a_keras_file_loads_back(light, tmp_path):
    original = built(light, perturbed=True)
    original.save(tmp_path / "generator.keras")
    assert_equal_outputs(original, keras.saving.load_model(tmp_path / "generator.keras"), images(1))
