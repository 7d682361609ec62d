from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints.tf1 import reference_names
from ugatit_tf.networks.discriminator import LOGIT_NAMES, Discriminator, PatchDiscriminator

GOLDEN = Path(__file__).parents[1] / "golden"


def built(spectral_norm=True, n_dis=4, perturbed=False, name="discriminator_A", size=32):
    discriminator = Discriminator(2, n_dis, spectral_norm, name=name)
    discriminator.build((None, size, size, 3))
    if perturbed:
        rng = np.random.default_rng(0)
        for variable in discriminator.variables:
            variable.assign(variable + rng.normal(size=variable.shape))
    return discriminator


def images(batch=1, height=32, width=32):
    return np.random.default_rng(1).uniform(-1, 1, (batch, height, width, 3)).astype("float32")


@pytest.mark.parametrize(
    ("n_dis", "height", "width", "local", "global_"),
    [(4, 32, 32, (16, 16), (4, 4)), (4, 24, 40, (12, 20), (3, 5)), (5, 48, 64, (12, 16), (3, 4))],
)
def test_output_sizes(n_dis, height, width, local, global_):
    output = built(n_dis=n_dis)(images(2, height, width))
    for patches, size in ((output.local, local), (output.global_, global_)):
        assert patches.logits.shape == (2, *size, 1)
        assert patches.cam_logits.shape == (2, 2)
        assert patches.heatmap.shape == (2, *size)


def test_all_logits_are_in_the_order_of_their_names():
    output = built()(images())
    expected = (output.local.logits, output.local.cam_logits, output.global_.logits, output.global_.cam_logits)
    assert all(one is other for one, other in zip(output.all_logits, expected, strict=True))
    assert LOGIT_NAMES == ("local", "local_cam", "global", "global_cam")


def test_images_of_a_batch_do_not_see_each_other():
    discriminator, batch = built(perturbed=True), images(3)
    together = discriminator(batch).all_logits
    for i in range(3):
        for one, all_ in zip(discriminator(batch[i : i + 1]).all_logits, together, strict=True):
            np.testing.assert_allclose(one[0], all_[i], atol=1e-5 * np.abs(all_).max())


def test_heatmap_is_the_channel_sum_after_leaky_relu():
    discriminator = PatchDiscriminator(2, 2)
    discriminator.build((None, 32, 32, 3))
    discriminator.attention_conv.kernel.assign(np.zeros((1, 1, 16, 8)))
    discriminator.attention_conv.bias.assign([-3, -2, -1, 0, 1, 2, 3, 4])
    heatmap = discriminator(images()).heatmap
    np.testing.assert_allclose(heatmap, np.full((1, 8, 8), 1 + 2 + 3 + 4 - 0.2 * (1 + 2 + 3)), rtol=1e-6)


def test_parameter_count_at_256_px():
    with tf.Graph().as_default():
        discriminator = Discriminator()
        discriminator.build((None, 256, 256, 3))
        assert sum(v.shape.num_elements() for v in discriminator.trainable_variables) == 56_418_180


@pytest.mark.parametrize("domain", ["A", "B"])
@pytest.mark.parametrize(("folder", "spectral_norm"), [("light_lsgan_sn", True), ("light_lsgan", False)])
def test_variables_are_the_references(folder, spectral_norm, domain):
    rows = [row.split(" ", 1) for row in (GOLDEN / folder / "variables.txt").read_text().splitlines()]
    expected = {
        name: rest.strip() for name, rest in rows if name.startswith(f"discriminator_{domain}/") and "/Adam" not in name
    }
    # Kernel and bias of 5 local and 7 global layers; u of all but the two conv_1x1.
    assert len(expected) == 24 + (10 if spectral_norm else 0)
    discriminator = built(spectral_norm, name=f"discriminator_{domain}")
    names = reference_names(discriminator.variables)
    assert {n: f"{list(v.shape)} {'trainable' * v.trainable}".strip() for n, v in names.items()} == expected
    assert len(discriminator.trainable_variables) == 24
    assert len(discriminator.non_trainable_variables) == len(expected) - 24


def test_a_training_call_advances_every_u_and_any_other_none():
    discriminator = built(perturbed=True)
    start = [v.numpy() for v in discriminator.variables]
    discriminator(images())
    for variable, before in zip(discriminator.variables, start, strict=True):
        np.testing.assert_array_equal(variable, before, variable.path)
    discriminator(images(), training=True)
    for variable, before in zip(discriminator.variables, start, strict=True):
        assert np.array_equal(variable, before) == (variable.name != "u"), variable.path


def test_initial_values():
    keras.utils.set_random_seed(0)
    spread = {"kernel": 0.02, "u": 1.0}
    values = {"kernel": [], "u": [], "bias": []}
    for variable in built(n_dis=5, size=64).variables:
        values[variable.name].append(variable.numpy().ravel())
    assert not np.concatenate(values["bias"]).any()
    for name, stddev in spread.items():
        value = np.concatenate(values[name])
        assert abs(value.mean()) < 5 * stddev / value.size**0.5
        assert abs(value.std() / stddev - 1) < 5 / (2 * value.size) ** 0.5


def test_a_tensorflow_checkpoint_holds_every_weight(tmp_path):
    # tf.train.Checkpoint silently skips layers in lists and dicts.
    original, restored = built(perturbed=True), built()
    prefix = tf.train.Checkpoint(model=original).write(str(tmp_path / "checkpoint"))
    tf.train.Checkpoint(model=restored).read(prefix).assert_consumed()
    for one, other in zip(original.variables, restored.variables, strict=True):
        np.testing.assert_array_equal(one, other, one.path)


def test_a_keras_file_loads_back(tmp_path):
    original = built(perturbed=True)
    original.save(tmp_path / "discriminator.keras")
    loaded = keras.saving.load_model(tmp_path / "discriminator.keras")
    keras.tree.map_structure(np.testing.assert_array_equal, original(images()), loaded(images()))
