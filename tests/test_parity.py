"""The reference's recorded numbers, see tests/golden/README.md; `--golden DIR` checks another folder of that form."""

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import LOGIT_NAMES
from ugatit_tf.ops import convolution
from ugatit_tf.training.ugatit import UGATIT

# Of the largest value. Single errors of other processors' arithmetic come to 6e-5; two networks in a row add theirs.
TOLERANCE = 1e-4
CYCLE_TOLERANCE = 2e-4
# Adam turns rounding noise into steps for biases that a norm cancels: 6.4e-3 by AVX2 in place of AVX-512.
AFTER_TOLERANCE = 1e-2


def pytest_generate_tests(metafunc):
    if "golden" in metafunc.fixturenames:
        root = Path(metafunc.config.getoption("--golden") or Path(__file__).parent / "golden")
        folders = [root] if (root / "golden.npz").exists() else sorted(p.parent for p in root.glob("*/golden.npz"))
        assert folders, f"{root} holds no golden.npz"
        metafunc.parametrize("golden", folders, ids=lambda folder: folder.name, scope="module")


def recorded_uniform(seed):
    """The recordings fixed alpha at 0.3 for every sample and eps at 0.5 for every value."""
    del seed
    return lambda shape, salt: tf.fill(shape, (0.3, 0.5)[salt])


def assert_close(actual, expected, tolerance, name):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * np.abs(expected).max(), err_msg=name)


class Recording:
    def __init__(self, folder):
        flags = json.loads((folder / "config.json").read_text())
        options = {field.name for field in dataclasses.fields(Config)}
        config = Config(dataset="golden", **{name: value for name, value in flags.items() if name in options})
        self.config = config
        self.values = np.load(folder / "golden.npz")
        self.steps = flags["steps"]
        self.model = UGATIT(config, uniform=recorded_uniform)
        self.model.compile(learning_rate=1e-4)
        (index,) = (folder / "checkpoint").glob("*/*.model-1.index")
        assert index.parent.name == config.model_dir
        self.prefix = index.with_suffix("")
        self.restart()

    def restart(self):
        variables = [v for v in self.model.variables if v.path.startswith(("generator_", "discriminator_"))]
        Checkpoint(self.prefix, self.config).restore(variables, strict=False)

    def keys(self, group):
        return {key.removeprefix(group) for key in self.values.files if key.startswith(group)}

    def check(self, group, computed, tolerance=TOLERANCE, others=()):
        assert self.keys(group) == {*computed, *others}
        for name, value in computed.items():
            expected = self.values[group + name]
            # Heatmaps of a single image were recorded without the batch axis.
            assert_close(np.reshape(value, expected.shape), expected, tolerance, group + name)


@functools.cache
def load(folder):
    return Recording(folder)


@pytest.fixture
def recording(golden):
    recording = load(golden)
    recording.restart()
    return recording


def first_pair(recording):
    return tf.constant(recording.values["As"][0]), tf.constant(recording.values["Bs"][0])


def test_generators(recording):
    model = recording.model
    real_a, real_b = first_pair(recording)
    translations = model.translate(real_a, real_b)
    a_to_b, b_to_b, b_to_a, a_to_a = translations
    _, metrics = model.generator_losses(real_a, real_b, translations)
    _, discriminator_metrics = model.discriminator_losses(real_a, real_b, b_to_a.image, a_to_b.image)
    cycles = {
        "x_aba": model.generator_A(a_to_b.image).image,
        "x_bab": model.generator_B(b_to_a.image).image,
    }
    for name, value in cycles.items():
        assert_close(value, recording.values[f"gen/{name}"], CYCLE_TOLERANCE, name)
    recording.check(
        "gen/",
        {
            "x_ab": a_to_b.image,
            "x_ba": b_to_a.image,
            "x_aa": a_to_a.image,
            "x_bb": b_to_b.image,
            "cam_ab": a_to_b.cam_logits,
            "cam_ba": b_to_a.cam_logits,
            "cam_aa": a_to_a.cam_logits,
            "cam_bb": b_to_b.cam_logits,
            "heatmap_ab": a_to_b.heatmap,
            "reconstruction_A": metrics["generator_B/cycle"],
            "reconstruction_B": metrics["generator_A/cycle"],
            "identity_A": metrics["generator_A/identity"],
            "identity_B": metrics["generator_B/identity"],
            "cam_A": metrics["generator_A/cam"],
            "cam_B": metrics["generator_B/cam"],
            "reg_G": metrics["generator/l2"],
            "reg_D": discriminator_metrics["discriminator/l2"],
        },
        others=cycles,
    )


@pytest.mark.parametrize("domain", ["A", "B"])
def test_discriminators(recording, domain):
    discriminator = getattr(recording.model, f"discriminator_{domain}")
    image = first_pair(recording)["AB".index(domain)]
    output = discriminator(image, training=True)
    values = {}
    for name, patches in (("local", output.local), ("global", output.global_)):
        values |= {
            f"{name}_logit": patches.logits,
            f"{name}_cam": patches.cam_logits,
            f"{name}_heatmap": patches.heatmap,
        }
    recording.check(f"disc_{domain}/", values)
    recording.check(
        f"u_after/discriminator_{domain}/",
        {v.path.split("/", 1)[1]: v.numpy() for v in discriminator.non_trainable_variables},
    )


def unweighted(metrics, name, config):
    """A discriminator's adversarial loss and penalty, which the reference's `adv_weight` multiplies later."""
    return sum(metrics[f"{name}/{term}"] for term in LOGIT_NAMES) + config.GP_ld * metrics[f"{name}/penalty"]


def test_losses_at_the_starting_weights(recording):
    model = recording.model
    real_a, real_b = first_pair(recording)
    translations = model.translate(real_a, real_b)
    _, g = model.generator_losses(real_a, real_b, translations)
    _, d = model.discriminator_losses(real_a, real_b, translations.b_to_a.image, translations.a_to_b.image)
    recording.check(
        "loss/",
        {
            "G_ad_loss_A": g["generator_A/adversarial"],
            "G_ad_loss_B": g["generator_B/adversarial"],
            "D_ad_loss_A": unweighted(d, "discriminator_A", recording.config),
            "D_ad_loss_B": unweighted(d, "discriminator_B", recording.config),
            "Generator_A_loss": g["generator_A/total"],
            "Generator_B_loss": g["generator_B/total"],
            "Generator_loss": g["g_loss"],
            "Discriminator_A_loss": d["discriminator_A/total"],
            "Discriminator_B_loss": d["discriminator_B/total"],
            "Discriminator_loss": d["d_loss"],
        },
    )


def test_training_steps(recording, monkeypatch):
    monkeypatch.setattr(convolution, "WINOGRAD_MINIMA", (0, 0))  # these networks are too small for it otherwise
    model, values = recording.model, recording.values
    model.compile(learning_rate=1e-4)
    model.step.assign(0)
    step = tf.function(model.train_step, autograph=False)
    history = [step((tf.constant(values["As"][s]), tf.constant(values["Bs"][s]))) for s in range(recording.steps)]
    # With spectral norm, later steps depend on the order in which the reference stored u.
    comparable = slice(0, 1) if recording.config.sn else slice(None)
    for name in ("d_loss", "g_loss"):
        actual = [float(metrics[name]) for metrics in history]
        assert_close(actual[comparable], values[f"train/{name}"][comparable], TOLERANCE, name)
    if not recording.config.sn:
        recording.check("after/", {"x_ab": model.generator_B(tf.constant(values["As"][0])).image}, AFTER_TOLERANCE)
