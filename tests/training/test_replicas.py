"""Replicas of a strategy, compared with one device that takes the whole batch, in float64."""

import dataclasses
import gc

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.config import GAN_TYPES
from ugatit_tf.ops import keras_settings
from ugatit_tf.runs.stepping import Stepper
from ugatit_tf.training import replicas
from ugatit_tf.training.ugatit import UGATIT

BATCH, STEPS = 4, 3
# What Adam makes of the noise in gradients that a norm cancels: these biases have no effect.
CANCELLED = ("/conv/bias", "/conv_0/bias", "/conv_1/bias")


@pytest.fixture
def float64(monkeypatch):
    monkeypatch.setattr(keras_settings, "FLOATS", {"float64"})
    for dtype in ("float64", "float32"):
        keras.config.set_floatx(dtype)
        keras.config.set_dtype_policy(dtype)
        if dtype == "float64":
            yield


@pytest.fixture(autouse=True)
def freed():
    """Graphs of this many operations are cycles of objects, which otherwise stay until memory is full of them."""
    yield
    gc.collect()


def strategy_of(count):
    if count == 1:
        return tf.distribute.get_strategy()
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(count)], tf.distribute.ReductionToOneDevice())


def train(config, count, *, dtype="float64", calls=(1,) * STEPS, data=None):
    """A model after some steps of so many replicas, and the steps' metrics."""
    strategy = strategy_of(count)
    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = UGATIT(config)
        model.compile()
    if dtype == "float64":
        for network in (model.generator_A, model.generator_B, model.discriminator_A, model.discriminator_B):
            network.precision = dtype
    side, size = config.img_size, BATCH // count
    if data is None:
        data = np.random.default_rng(0).uniform(-1, 1, (sum(calls), 2, BATCH, side, side, 3))
    batches = [tuple(shared_out(strategy, size, images.astype(dtype)) for images in batch) for batch in data]
    stepper = Stepper(model, config)
    metrics = []
    for call in calls:
        taken = stepper.run([batches.pop(0) for _ in range(call)])
        metrics += [{name: float(np.reshape(x, -1)[i]) for name, x in taken.items()} for i in range(call)]
    return model, metrics


def shared_out(strategy, size, images):
    if strategy.num_replicas_in_sync == 1:
        return tf.constant(images)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(images[context.replica_id_in_sync_group * size :][:size])
    )


def assert_same(config, count, *, rtol=1e-10, atol=1e-12, **options):
    """Compares all weights, moments and metrics with those of one device, and the replicas' copies with each other."""
    whole, expected = train(config, 1, **options)
    model, metrics = train(config, count, **options)
    for one, shared in zip(whole.state, model.state, strict=True):
        copies = model.distribute_strategy.experimental_local_results(shared.value)
        assert len(copies) == count
        for copy in copies[1:]:
            np.testing.assert_array_equal(copy, copies[0], err_msg=shared.path)
        if not one.path.endswith(CANCELLED):
            np.testing.assert_allclose(copies[0], one.value, rtol=rtol, atol=atol, err_msg=one.path)
    for step, (one, shared) in enumerate(zip(expected, metrics, strict=True)):
        for name, value in one.items():
            np.testing.assert_allclose(shared[name], value, rtol=rtol, atol=atol, err_msg=f"{name} of step {step}")


def test_replicas_take_the_steps_of_one_device(tiny_config, float64):
    options = {"light": False, "gan_type": "dragan", "diffaugment": "color,translation,cutout", "ema": 0.9}
    assert_same(dataclasses.replace(tiny_config, **options), 2)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("gan_type", GAN_TYPES)
def test_replicas_take_the_steps_of_one_device_with_every_loss(tiny_config, float64, gan_type, light, count):
    assert_same(dataclasses.replace(tiny_config, gan_type=gan_type, light=light), count)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"sn": False},
        {"n_critic": 2},
        {"diffaugment": "color,translation,cutout"},
        {"ema": 0.9},
        {"recompute": True},
        {"gan_type": "dragan", "sn": False, "light": False, "recompute": True},
    ],
)
def test_replicas_take_the_steps_of_one_device_with_every_option(tiny_config, float64, options):
    assert_same(dataclasses.replace(tiny_config, **options), 2)


@pytest.mark.slow
def test_replicas_take_several_steps_in_a_call(tiny_config, float64):
    assert_same(dataclasses.replace(tiny_config, n_critic=2), 2, calls=(1, 3))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_replicas_take_the_steps_of_one_device_in_float32(tiny_config, precision):
    # Adam turns noise into steps of up to lr, 1e-4.
    assert_same(dataclasses.replace(tiny_config, precision=precision), 2, dtype="float32", rtol=1e-2, atol=1e-3)


@pytest.mark.slow
def test_replicas_skip_a_step_together(tiny_config):
    data = np.random.default_rng(0).uniform(-1, 1, (2, 2, BATCH, 32, 32, 3))
    data[1, 0, -1] = np.nan  # an image of the last replica alone
    model, metrics = train(
        dataclasses.replace(tiny_config, skip_nonfinite=1), 2, dtype="float32", data=data, calls=(1, 1)
    )
    assert [step["skipped"] for step in metrics] == [0, 1]
    for variable in model.state:
        first, second = model.distribute_strategy.experimental_local_results(variable.value)
        np.testing.assert_array_equal(first, second, err_msg=variable.path)
        assert variable.value.dtype.is_integer or np.all(np.isfinite(first)), variable.path


def test_what_one_replica_alone_shares_is_its_own():
    rows = tf.constant([[1.0], [3.0]])
    assert replicas.count() == 1
    assert replicas.mean({"a": rows})["a"] is replicas.gather(rows) is replicas.part(rows) is rows
    assert float(replicas.standard_deviation(rows)) == 1.0


def test_replicas_exchange():
    strategy = strategy_of(2)

    def step(rows):
        draws = replicas.part(tf.range(4.0))
        values = replicas.mean((rows, draws)), replicas.gather(rows), replicas.standard_deviation(rows)
        return *values, replicas.gather(draws)

    with strategy.scope():
        rows = shared_out(strategy, 1, np.array([1.0, 4.0], np.float32))
        (mean, of_draws), gathered, deviation, draws = replicas.run(step, rows)
    assert mean.numpy().tolist() == [2.5]
    assert of_draws.numpy().tolist() == [1, 2]
    assert gathered.numpy().tolist() == [1.0, 4.0]
    assert float(deviation) == 1.5
    assert draws.numpy().tolist() == [0, 1, 2, 3]


def test_n_critic_needs_all_replicas(tiny_config):
    strategy = strategy_of(2)
    with strategy.scope():
        model = UGATIT(dataclasses.replace(tiny_config, n_critic=2))
        model.compile()
        image = tf.zeros((1, 32, 32, 3))
        with pytest.raises(ValueError, match="outside of strategy.run"):
            strategy.run(model.train_step, (((image, image)),))
