import dataclasses

import keras
import numpy as np
import pytest

from ugatit_tf.checkpoints import checkpoints
from ugatit_tf.checkpoints.bundle import DamagedError
from ugatit_tf.checkpoints.checkpoints import CheckpointWriter
from ugatit_tf.errors import RunError
from ugatit_tf.training.ugatit import UGATIT, build_generator


@pytest.fixture(scope="module")
def _models():
    return {}


@pytest.fixture
def make_model(_models):
    """Builds a model with random state; one of each name for the whole module, as building takes a while."""

    def make(config, name="model", **changes):
        key = (name, *changes.items())
        if key not in _models:
            _models[key] = UGATIT(dataclasses.replace(config, **changes))
            _models[key].compile()
        scramble(_models[key].state, seed=hash(name) % 1000)
        return _models[key]

    return make


def scramble(variables, seed):
    rng = np.random.default_rng(seed)
    for variable in variables:
        variable.assign(rng.integers(1, 100, variable.shape))


def values(variables):
    return {variable.path: variable.numpy().copy() for variable in variables}


def save(model, config, step):
    checkpoints.save_config(config)
    return CheckpointWriter(model.state, config).save(step)


def test_layout_is_the_references(tiny_config, make_model):
    prefix = save(make_model(tiny_config), tiny_config, 12)
    assert prefix == tiny_config.run_checkpoint_dir / "UGATIT_light.model-12"
    assert {path.name for path in tiny_config.run_checkpoint_dir.iterdir()} == {
        "UGATIT_light.model-12.index",
        "UGATIT_light.model-12.data-00000-of-00001",
        "checkpoint",
        "config.json",
    }
    assert checkpoints.saved_config(tiny_config) == tiny_config


def test_restores_all_state(tiny_config, make_model):
    model, other = make_model(tiny_config), make_model(tiny_config, "other")
    saved = values(model.state)
    names = [path.rpartition("/")[2] for path in saved]
    assert {"kernel", "bias", "u", "rho", "step", "iteration"} <= set(names)
    assert sum(name.endswith(("momentum", "velocity")) for name in names) == 2 * len(model.trainable_variables)
    prefix = save(model, tiny_config, 1)
    checkpoints.restore(other.state, prefix, whole=True)
    np.testing.assert_equal(values(other.state), saved)


def test_a_generator_is_restored_alone(tiny_config, make_model):
    model = make_model(tiny_config)
    prefix = save(model, tiny_config, 1)
    generator = build_generator(tiny_config, "B")
    checkpoints.restore(generator.variables, prefix, whole=False)
    np.testing.assert_equal(values(generator.variables), values(model.generator_B.variables))


def test_no_checkpoint_says_where_it_looked(tiny_config):
    with pytest.raises(RunError, match=f"No checkpoint .* in {tiny_config.run_checkpoint_dir}"):
        checkpoints.require(tiny_config)


@pytest.mark.parametrize("whole", [True, False])
def test_another_networks_checkpoint_is_refused(tiny_config, make_model, whole):
    prefix = save(make_model(tiny_config), tiny_config, 1)
    with pytest.raises(RunError, match="does not fit this network"):
        checkpoints.restore(build_generator(dataclasses.replace(tiny_config, ch=4), "B").variables, prefix, whole=whole)
    with pytest.raises(RunError, match="does not fit this network"):
        checkpoints.restore(
            build_generator(dataclasses.replace(tiny_config, n_res=2), "B").variables, prefix, whole=whole
        )


def test_leftovers_are_refused_where_all_must_match(tiny_config, make_model):
    model = make_model(tiny_config)
    prefix = save(model, tiny_config, 1)
    scramble(model.state, seed=1)
    before = values(model.state)
    with pytest.raises(RunError, match="does not fit this network: it has 1 variables that this network lacks"):
        checkpoints.restore(model.state[:-1], prefix, whole=True)
    np.testing.assert_equal(values(model.state), before)


@pytest.mark.parametrize("part", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("length", [0, 500])
def test_a_truncated_file_is_called_damaged(tiny_config, make_model, part, length):
    model = make_model(tiny_config)
    prefix = save(model, tiny_config, 1)
    path = prefix.with_name(prefix.name + part)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedError, match=rf"{prefix.name}(\.index)? is damaged"):
        checkpoints.restore(model.state, prefix, whole=True)


def test_two_variables_of_one_path_are_an_error():
    twins = [keras.Variable(0.0, name="twin") for _ in range(2)]
    with pytest.raises(ValueError, match="twin"):
        checkpoints.restore(twins, "nowhere", whole=True)


def test_contradicting_architecture_names_both_values(tiny_config):
    now = dataclasses.replace(tiny_config, ch=3, lr=0.5)
    with pytest.raises(RunError, match="--ch is 3 but the checkpoints were trained with 2") as error:
        checkpoints.check_architecture(now, tiny_config)
    assert "lr" not in str(error.value)
    checkpoints.check_architecture(dataclasses.replace(tiny_config, lr=0.5), tiny_config)
