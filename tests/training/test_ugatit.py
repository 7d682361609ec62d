import collections
import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.config import GAN_TYPES
from ugatit_tf.errors import UsageError
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator
from ugatit_tf.ops import convolution
from ugatit_tf.training import diffaugment, losses
from ugatit_tf.training.objective import GENERATOR_METRICS
from ugatit_tf.training.ugatit import UGATIT

LINEAR = ("wgan-gp", "wgan-lp", "hinge")


def make_model(config, **changes):
    keras.utils.set_random_seed(0)
    model = UGATIT(dataclasses.replace(config, **changes))
    model.compile()
    return model


def make_batch(config, count=1, seed=0, channels=3):
    rng = np.random.default_rng(seed)
    shape = (2, count, config.img_size, config.img_size, channels)
    return tuple(tf.constant(rng.uniform(-1, 1, shape), tf.float32))


def weights(variables):
    return {variable.path: variable.numpy() for variable in variables}


def changed(before, variables):
    return {variable.path for variable in variables if np.any(before[variable.path] != variable.numpy())}


@pytest.mark.parametrize("gan_type", GAN_TYPES)
def test_a_step_moves_every_variable(tiny_config, gan_type):
    model = make_model(tiny_config, gan_type=gan_type)
    before = weights(model.variables)
    metrics = model.train_step(make_batch(tiny_config, count=2))
    assert all(np.isfinite(value) for value in metrics.values())
    still = {v.path for v in model.variables} - changed(before, model.variables)
    # A u of one number is +1 or -1 from the first power iteration on; a rho may be pushed against its bound; and a bias
    # added to every logit cancels in the losses that are linear in them.
    excused = ("CAM_logit/u", "D_logit/u", "/rho") + (("D_logit/bias",) if gan_type in LINEAR else ())
    assert {path for path in still if not path.endswith(excused)} == {"ugatit/generator_metrics"}


def test_images_too_small_for_the_discriminators_are_refused(tiny_config):
    with pytest.raises(UsageError, match="--img_size 32 is too small for --n_dis 6"):
        UGATIT(dataclasses.replace(tiny_config, n_dis=6))


def test_metrics_add_up(tiny_config):
    model = make_model(tiny_config, gan_type="wgan-gp", adv_weight=2.0, cam_weight=3.0, GP_ld=5.0)
    metrics = {name: float(value) for name, value in model.train_step(make_batch(tiny_config)).items()}
    for domain in "AB":
        generator, discriminator = (
            {name.split("/")[1]: value for name, value in metrics.items() if name.startswith(f"{kind}_{domain}/")}
            for kind in ("generator", "discriminator")
        )
        weighted = 2 * generator["adversarial"] + 10 * generator["cycle"] + 10 * generator["identity"]
        assert generator["total"] == pytest.approx(weighted + 3 * generator["cam"], rel=1e-5)
        parts = sum(discriminator[name] for name in ("local", "local_cam", "global", "global_cam"))
        assert discriminator["total"] == pytest.approx(2 * (parts + 5 * discriminator["penalty"]), rel=1e-5)
    for loss, kind in (("g_loss", "generator"), ("d_loss", "discriminator")):
        assert metrics[loss] == pytest.approx(
            metrics[f"{kind}_A/total"] + metrics[f"{kind}_B/total"] + metrics[f"{kind}/l2"], rel=1e-5
        )
    assert metrics["rho/min"] == 0.0
    assert metrics["rho/max"] <= 1.0


def test_a_step_runs_each_network_once_on_what_it_needs(tiny_config, monkeypatch):
    calls = collections.Counter()

    def count(kind):
        original = kind.call

        def call(self, inputs, **kwargs):
            calls[self.name, inputs.shape[0]] += 1
            return original(self, inputs, **kwargs)

        monkeypatch.setattr(kind, "call", call)

    count(Generator)
    count(Discriminator)
    model = make_model(tiny_config)
    model.train_step(make_batch(tiny_config))
    # Generators: translation and identity as one batch of 2, then the cycle. Discriminators: real and fake as one
    # batch of 2, then the fake alone for the generators.
    names = ("generator_A", "generator_B", "discriminator_A", "discriminator_B")
    assert calls == {(name, count): 1 for name in names for count in (1, 2)}


def test_rho_stays_in_the_unit_interval(tiny_config):
    model = make_model(tiny_config, lr=10.0)
    metrics = model.train_step(make_batch(tiny_config))
    rho = np.concatenate([v.numpy() for v in model.generator_variables if v.name == "rho"])
    assert rho.min() == 0.0 and rho.max() == 1.0  # a step of 10 overshoots both ways
    assert float(metrics["rho/mean"]) == pytest.approx(rho.mean())


def test_generators_wait_for_n_critic_discriminator_updates(tiny_config):
    model = make_model(tiny_config, n_critic=2)
    first = model.train_step(make_batch(tiny_config, seed=0))
    before = weights(model.variables)
    second = model.train_step(make_batch(tiny_config, seed=1))
    assert not changed(before, model.generator_variables)
    assert changed(before, model.discriminator_variables)
    assert all(first[name] == second[name] for name in GENERATOR_METRICS)
    assert first["d_loss"] != second["d_loss"]
    model.train_step(make_batch(tiny_config, seed=2))
    assert changed(before, model.generator_variables)
    assert int(model.generator_optimizer.iterations) == 2
    assert int(model.discriminator_optimizer.iterations) == int(model.step) == 3


def test_learning_rate_follows_the_step(tiny_config):
    model = make_model(tiny_config, lr=0.5)  # 2 epochs of 4 steps, 1 at the full rate
    rates = []
    for step in (0, 3, 4, 7):
        model.step.assign(step)
        rates.append(float(model.train_step(make_batch(tiny_config))["learning_rate"]))
        assert float(model.discriminator_optimizer.learning_rate) == rates[-1]
        assert float(model.generator_optimizer.learning_rate) == rates[-1]
    assert rates == [0.5, 0.5, 0.5, 0.5]
    model = make_model(tiny_config, lr=0.5, epoch=3)
    model.step.assign(8)
    assert float(model.train_step(make_batch(tiny_config))["learning_rate"]) == 0.25


@pytest.mark.parametrize("changes", [{"img_ch": 1}, {"img_ch": 4, "n_res": 2}, {"light": False, "sn": False}])
def test_other_architectures_train(tiny_config, changes):
    model = make_model(tiny_config, **changes)
    metrics = model.train_step(make_batch(tiny_config, channels=changes.get("img_ch", 3)))
    assert np.isfinite(metrics["g_loss"])


def test_fit_runs_the_same_step(tiny_config):
    model, twin = make_model(tiny_config), make_model(tiny_config)
    real_a, real_b = make_batch(tiny_config, count=4)
    images = (tf.data.Dataset.from_tensor_slices(x) for x in (real_a, real_b))
    model.compile(run_eagerly=True)
    history = model.fit(tf.data.Dataset.zip(tuple(images)).batch(2), shuffle=False, verbose=0)
    for start in (0, 2):
        metrics = twin.train_step((real_a[start : start + 2], real_b[start : start + 2]))
    assert history.history["g_loss"] == [pytest.approx(float(metrics["g_loss"]))]
    np.testing.assert_equal(weights(model.variables), weights(twin.variables))


def test_fit_takes_batches_of_unknown_size(tiny_config):
    model, twin = (make_model(tiny_config, ch=4) for _ in range(2))  # from there on, upsampling has a CPU kernel
    real_a, real_b = make_batch(tiny_config, count=3)
    batches = tf.data.Dataset.from_tensor_slices((real_a, real_b)).batch(2)
    assert batches.element_spec[0].shape[0] is None
    history = model.fit(batches, shuffle=False, verbose=0).history
    for start in (0, 2):
        metrics = twin.train_step((real_a[start : start + 2], real_b[start : start + 2]))
    assert history["g_loss"] == [pytest.approx(float(metrics["g_loss"]), rel=1e-3)]
    assert history["d_loss"] == [pytest.approx(float(metrics["d_loss"]), rel=1e-3)]


def test_penalty_noise_is_a_function_of_seed_and_step(tiny_config):
    model = make_model(tiny_config, gan_type="dragan")
    real_a, real_b = make_batch(tiny_config)

    def penalties():
        _, metrics = model.discriminator_losses(real_a, real_b, real_b, real_a)
        return float(metrics["discriminator_A/penalty"]), float(metrics["discriminator_B/penalty"])

    penalties()  # the power iteration settles
    u = {v.path: v.numpy() for v in model.non_trainable_variables if v.name == "u"}

    def rewind():
        for variable in model.non_trainable_variables:
            if variable.name == "u":
                variable.assign(u[variable.path])

    rewind()
    first = penalties()
    rewind()
    assert penalties() == first
    rewind()
    model.step.assign(1)
    assert penalties() != first


@pytest.fixture
def seen(monkeypatch):
    """What each discriminator is called with, by its name, in the order of the calls."""
    inputs = collections.defaultdict(list)
    call = Discriminator.call

    def record(self, images, **kwargs):
        inputs[self.name].append(images.numpy())
        return call(self, images, **kwargs)

    monkeypatch.setattr(Discriminator, "call", record)
    return inputs


def test_the_discriminators_see_augmented_images(tiny_config, seen):
    model = make_model(tiny_config, diffaugment="cutout", gan_type="wgan-gp")

    def hole(images):
        """The columns and rows of an image's hole, 8 of each at least; some other pixels of a fake are 0, too."""
        cut = np.all(images == 0, -1)
        return np.concatenate([cut.sum(1) >= 8, cut.sum(2) >= 8], 1)

    def holes(step):
        """For each discriminator and update: what was cut from the two images."""
        seen.clear()
        model.step.assign(step)
        model.train_step(make_batch(tiny_config, count=2))
        found = []
        for penalty, discriminators, generators in seen.values():
            for images in (discriminators[:2], discriminators[2:]):  # real, and the fakes that go with them
                np.testing.assert_array_equal(hole(images), hole(penalty))
            found += [hole(penalty), hole(generators)]
        return np.concatenate(found)

    first = holes(0)
    assert np.all(first.sum(1) >= 16)
    assert len(np.unique(first, axis=0)) == len(first) == 8  # each its own
    np.testing.assert_array_equal(holes(0), first)
    assert np.any(holes(1) != first, 1).all()


def test_without_policies_they_see_the_images_themselves(tiny_config, seen, monkeypatch):
    monkeypatch.setattr(diffaugment, "augment", None)  # not even called
    real_a, real_b = make_batch(tiny_config)
    model = make_model(tiny_config)
    model.train_step((real_a, real_b))
    np.testing.assert_array_equal(seen["discriminator_A"][0][:1], real_a)
    np.testing.assert_array_equal(seen["discriminator_B"][0][:1], real_b)


def test_generators_learn_through_the_augmentation(tiny_config):
    """Where only the adversarial loss counts, what is cut out or moved away gives no gradient, the rest does."""
    real_a, real_b = make_batch(tiny_config)
    model = make_model(tiny_config, diffaugment="translation, cutout")
    translations = model.translate(real_a, real_b)
    fake = translations.b_to_a.image
    with tf.GradientTape() as tape:
        tape.watch(fake)
        _, metrics = model.generator_losses(
            real_a, real_b, translations._replace(b_to_a=translations.b_to_a._replace(image=fake))
        )
        loss = metrics["generator_A/adversarial"]
    moved = np.any(tape.gradient(loss, fake).numpy() != 0, -1)[0]
    assert 32 * 32 / 4 < moved.sum() < 32 * 32


@pytest.mark.low_precision
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_low_precision_trains_nearly_alike(tiny_config, precision):
    results = {}
    for name in ("float32", precision):
        model = make_model(tiny_config, precision=name, sn=False)
        for _ in range(12):  # float16 lets steps go by until its loss scale fits; nothing moves in these
            metrics = {key: float(value) for key, value in model.train_step(make_batch(tiny_config)).items()}
            assert metrics["skipped"] == 0.0
            if metrics["generator_A/gradient_norm"] and metrics["discriminator_A/gradient_norm"]:
                break
        results[name] = metrics
        assert {v.dtype for v in model.generator_variables} == {"float32"}
    assert results[precision] == pytest.approx(results["float32"], rel=0.1, abs=1e-2)
    assert results[precision] != results["float32"]


def test_a_step_multiplies_for_the_kernels_gradients(tiny_config):
    model = UGATIT(dataclasses.replace(tiny_config, recompute=True))  # of the blocks, not of the discriminators
    model.compile()
    images = tf.zeros((1, 32, 32, 3))
    graph = tf.function(model.train_step, autograph=False).get_concrete_function((images, images)).graph
    others = [operation for operation in graph.get_operations() if operation.type == "Conv2DBackpropFilter"]
    assert {operation.outputs[0].shape[0] for operation in others if operation.get_attr("strides")[1] == 1} == {1}


def test_recompute_trains_alike(tiny_config):
    plain, recomputing = (make_model(tiny_config, recompute=recompute) for recompute in (False, True))
    for model in (plain, recomputing):
        tf.function(model.train_step, autograph=False)(make_batch(tiny_config))
    for a, b in zip(plain.state, recomputing.state, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-3, atol=1e-5, err_msg=a.path)


def test_a_step_uses_cpu_kernels(tiny_config, monkeypatch):
    monkeypatch.setattr(convolution, "WINOGRAD_MINIMA", (0, 0))
    model = make_model(tiny_config)
    step = tf.function(model.train_step, autograph=False).get_concrete_function(make_batch(tiny_config))
    operations = {node.op for function in step.graph.as_graph_def().library.function for node in function.node_def}
    assert "GatherV2" in operations  # of Winograd's form


def test_a_relativistic_loss_sees_real_and_fake_logits(tiny_config, monkeypatch, seen):
    def relativistic(real, fake):
        return tf.reduce_mean(tf.square(fake - tf.reduce_mean(real) - 1.0))

    monkeypatch.setitem(
        losses.GAN_LOSSES, "lsgan", losses.GAN_LOSSES["lsgan"]._replace(generator=relativistic, relativistic=True)
    )
    model = make_model(tiny_config, sn=False)
    real_a, real_b = make_batch(tiny_config)
    translations = model.translate(real_a, real_b)
    _, metrics = model.generator_losses(real_a, real_b, translations)
    np.testing.assert_array_equal(seen["discriminator_B"][0], real_b)
    np.testing.assert_array_equal(seen["discriminator_B"][1], translations.a_to_b.image)
    outputs = zip(*(model.discriminator_B(x).all_logits for x in (real_b, translations.a_to_b.image)), strict=True)
    expected = sum(np.mean((fake.numpy() - real.numpy().mean() - 1) ** 2) for real, fake in outputs)
    np.testing.assert_allclose(metrics["generator_B/adversarial"], expected, rtol=1e-5)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_saved_model_goes_on_as_if_it_had_not_been(tiny_config, tmp_path, ema):
    model = make_model(tiny_config, ema=ema)
    model.compile(learning_rate=0.5, run_eagerly=True)
    model.train_step(make_batch(tiny_config))
    model.save(tmp_path / "run.keras")
    loaded = keras.saving.load_model(tmp_path / "run.keras")
    assert loaded.config == model.config
    assert loaded.run_eagerly
    np.testing.assert_equal(weights(loaded.state), weights(model.state))
    for twin in (model, loaded):
        metrics = twin.train_step(make_batch(tiny_config, seed=1))
        assert float(metrics["learning_rate"]) == 0.5
    np.testing.assert_equal(weights(loaded.state), weights(model.state))


def test_a_model_that_is_not_compiled_saves_and_loads(tiny_config, tmp_path):
    model = UGATIT(tiny_config)
    model.save(tmp_path / "run.keras")
    loaded = keras.saving.load_model(tmp_path / "run.keras")
    assert not loaded.compiled
    np.testing.assert_equal(weights(loaded.variables), weights(model.variables))
