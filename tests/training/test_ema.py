import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints import bundle
from ugatit_tf.checkpoints.bundle import Bundle
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.training import ema
from ugatit_tf.training.ugatit import UGATIT


def follow(values, decay, first_count=1, initial=100.0):
    """The averages after each of a variable's values."""
    variable, average = (keras.Variable(np.full((2, 3), initial, np.float32)) for _ in range(2))
    found = []
    for count, value in enumerate(values, first_count):
        variable.assign(np.full((2, 3), value, np.float32))
        ema.update([average], [variable], decay, tf.constant(count))
        computed = average.numpy()
        # The last elements of an array do not fill a register, and may be rounded otherwise than those before.
        np.testing.assert_allclose(computed, computed[0, 0], rtol=1e-6)
        found.append(computed[0, 0])
    return found


@pytest.mark.parametrize("small", [0, ema._SMALL], ids=["large", "small"])
def test_average_by_hand(small, monkeypatch):
    monkeypatch.setattr(ema, "_SMALL", small)
    expected = [1, (2 + 0.5 * 1) / 1.5, (4 + 0.5 * 2 + 0.25 * 1) / 1.75]
    np.testing.assert_allclose(follow([1, 2, 4], 0.5), expected, rtol=1e-5)  # 100 itself leaves a rounding of 1e-5
    weights = 0.999 ** np.arange(3)[::-1]
    np.testing.assert_allclose(follow([1, 2, 4], 0.999)[-1], np.average([1, 2, 4], weights=weights), rtol=1e-4)
    np.testing.assert_allclose(follow([1, 2, 4], 0.0), [1, 2, 4], rtol=1e-5)


def test_what_starts_later_keeps_its_share():
    np.testing.assert_allclose(follow([1, 2, 4], 0.5, first_count=100, initial=5.0), [3, 2.5, 3.25], rtol=1e-6)
    np.testing.assert_allclose(follow([7.0], 0.9, first_count=10**9, initial=5.0), [5.2], rtol=1e-6)


def test_what_stays_is_its_own_average():
    assert follow([0.1] * 5, 0.999, first_count=1000, initial=0.1) == [np.float32(0.1)] * 5


def test_before_the_first_update_it_is_finite():
    assert follow([3.0], 0.9, first_count=0) == [pytest.approx(3.0, rel=1e-5)]


def make_model(config, **changes):
    keras.utils.set_random_seed(0)
    model = UGATIT(dataclasses.replace(config, **changes))
    model.compile()
    return model


@pytest.fixture
def models(tiny_config, _models):
    """A model with averages and one without; built once for the module, so folders are those of the first test."""
    if not _models:
        _models.append((make_model(tiny_config, ema=0.5, n_critic=2), make_model(tiny_config)))
    for model in _models[0]:
        rng = np.random.default_rng(len(model.state))
        for variable in model.state:
            variable.assign(rng.integers(1, 100, variable.shape))
    return _models[0]


@pytest.fixture(scope="module")
def _models():
    return []


def values(variables):
    return [variable.numpy().copy() for variable in variables]


def batch(seed):
    images = np.random.default_rng(seed).uniform(-1, 1, (2, 1, 32, 32, 3))
    return tuple(tf.constant(images, tf.float32))


def test_a_model_averages_after_every_generator_update(tiny_config):
    model, plain = make_model(tiny_config, ema=0.5, n_critic=2), make_model(tiny_config)
    assert not plain.averages
    assert not any(ema.PREFIX in variable.path for variable in plain.state)
    assert len(model.state) == len(plain.state) + len(plain.generator_variables)
    for one, other in ((model.generator_variables, plain.generator_variables), (model.discriminator_variables,) * 2):
        np.testing.assert_equal(values(one), values(other))  # the same initial weights
    np.testing.assert_equal(values(model.average_variables), values(model.generator_variables))
    assert {variable.dtype for variable in model.average_variables} == {"float32"}
    assert not set(map(id, model.average_variables)) & set(map(id, model.trainable_variables))
    names = [f"{ema.PREFIX}{variable.path}" for variable in model.generator_variables]
    assert [variable.path for variable in model.average_variables] == names

    seen, averages = [], []
    train_step = tf.function(model.train_step, autograph=False)
    for step in range(5):  # the generators' updates are in steps 0, 2 and 4
        train_step(batch(step))
        seen.append(values(model.generator_variables))
        averages.append(values(model.average_variables))
    for step, weights in ((0, [1]), (2, [0.5, 0, 1]), (4, [0.25, 0, 0.5, 0, 1])):
        for index, average in enumerate(averages[step]):
            history = np.stack([values[index] for values in seen[: step + 1]])
            expected = np.average(history, axis=0, weights=weights)
            np.testing.assert_allclose(average, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_equal(averages[1], averages[0])
    assert any(np.any(a != w) for a, w in zip(averages[4], seen[4], strict=True))


def test_pictures_are_made_with_the_averages(models):
    model, plain = models
    image = batch(0)[0]
    assert model.sampler("A") is model.averages[0]
    assert model.sampler("B") is model.averages[1]
    assert plain.sampler("B") is plain.generator_B
    for domain, output in zip("BA", model((image, image)), strict=True):
        np.testing.assert_array_equal(output, model.averages["AB".index(domain)](image).image)


def test_averages_come_back_from_a_checkpoint(tiny_config, models):
    model, _ = models
    prefix = CheckpointWriter(model.state, tiny_config).save(1)
    saved = values(model.state)
    for variable in model.state:
        variable.assign(tf.zeros_like(variable.value))
    Checkpoint(prefix, Config()).restore(model.state, strict=True)
    np.testing.assert_equal(values(model.state), saved)


def test_averages_count_as_the_rest_of_a_checkpoint(tiny_config, models):
    model, plain = models
    prefix = CheckpointWriter(model.state, tiny_config).save(1)
    with pytest.raises(RunError, match=r"100 variables that this network lacks; one is variables/ema_generator_A"):
        Checkpoint(prefix, Config()).restore(plain.state, strict=True)
    averages = Bundle(prefix).averages
    assert averages == {bundle.key(variable.path) for variable in model.average_variables}
    Checkpoint(prefix, Config()).restore(plain.state, strict=True, others=averages)
    np.testing.assert_equal(values(plain.generator_variables), values(model.generator_variables))

    prefix = CheckpointWriter(plain.state, tiny_config).save(2)
    assert Bundle(prefix).averages == set()
    with pytest.raises(RunError, match="does not fit this network"):
        Checkpoint(prefix, Config()).restore(model.state, strict=True)
