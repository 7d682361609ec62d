import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from ugatit_tf.checkpoints.bundle import DamagedError, by_path
from ugatit_tf.checkpoints.checkpoint import Checkpoint, check_agrees, open_folder, open_run
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.training.networks import build_generator
from ugatit_tf.training.ugatit import UGATIT

GOLDEN = Path(__file__).parents[1] / "golden"


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
    RunFolder(config.run_checkpoint_dir).save_config(config)
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
    assert RunFolder(tiny_config.run_checkpoint_dir).config() == tiny_config


def test_restores_all_state(tiny_config, make_model):
    model, other = make_model(tiny_config), make_model(tiny_config, "other")
    saved = values(model.state)
    names = [path.rpartition("/")[2] for path in saved]
    assert {"kernel", "bias", "u", "rho", "step", "iteration"} <= set(names)
    assert sum(name.endswith(("momentum", "velocity")) for name in names) == 2 * len(model.trainable_variables)
    prefix = save(model, tiny_config, 1)
    Checkpoint(prefix, Config()).restore(other.state, strict=True)
    np.testing.assert_equal(values(other.state), saved)


def test_a_generator_is_restored_alone(tiny_config, make_model):
    model = make_model(tiny_config)
    prefix = save(model, tiny_config, 1)
    generator = build_generator(tiny_config, "B")
    Checkpoint(prefix, Config()).restore(generator.variables, strict=False)
    np.testing.assert_equal(values(generator.variables), values(model.generator_B.variables))


def test_no_checkpoint_says_where_it_looked(tiny_config):
    with pytest.raises(RunError, match=f"No checkpoint .* in {tiny_config.run_checkpoint_dir}"):
        open_run(tiny_config)


@pytest.mark.parametrize("strict", [True, False])
def test_another_networks_checkpoint_is_refused(tiny_config, make_model, strict):
    restore = Checkpoint(save(make_model(tiny_config), tiny_config, 1), tiny_config).restore
    with pytest.raises(RunError, match="does not fit this network"):
        restore(build_generator(dataclasses.replace(tiny_config, ch=4), "B").variables, strict=strict)
    with pytest.raises(RunError, match="does not fit this network"):
        restore(build_generator(dataclasses.replace(tiny_config, n_res=2), "B").variables, strict=strict)


def test_leftovers_are_refused_where_all_must_match(tiny_config, make_model):
    model = make_model(tiny_config)
    prefix = save(model, tiny_config, 1)
    scramble(model.state, seed=1)
    before = values(model.state)
    with pytest.raises(RunError, match="does not fit this network: it has 1 variables that this network lacks"):
        Checkpoint(prefix, Config()).restore(model.state[:-1], strict=True)
    np.testing.assert_equal(values(model.state), before)


@pytest.mark.parametrize("part", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("length", [0, 500])
def test_a_truncated_file_is_called_damaged(tiny_config, make_model, part, length):
    model = make_model(tiny_config)
    prefix = save(model, tiny_config, 1)
    path = prefix.with_name(prefix.name + part)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedError, match=rf"{prefix.name}(\.index)? is damaged"):
        Checkpoint(prefix, Config()).restore(model.state, strict=True)


def test_two_variables_of_one_path_are_an_error():
    twins = [keras.Variable(0.0, name="twin") for _ in range(2)]
    with pytest.raises(ValueError, match="twin"):
        by_path(twins)


def test_contradicting_architecture_names_both_values(tiny_config):
    now = dataclasses.replace(tiny_config, ch=3, lr=0.5)
    with pytest.raises(RunError, match="--ch is 3 but the checkpoints were trained with 2") as error:
        check_agrees(now, tiny_config)
    assert "lr" not in str(error.value)
    check_agrees(dataclasses.replace(tiny_config, lr=0.5), tiny_config)


@pytest.mark.parametrize("path", ["", "UGATIT_light.model-4"], ids=["folder", "prefix"])
def test_the_references_checkpoints_give_generators_too(path):
    recording = np.load(GOLDEN / "light_lsgan" / "golden.npz")
    (folder,) = (GOLDEN / "light_lsgan" / "checkpoint").iterdir()
    checkpoint = open_folder(folder / path)
    assert (checkpoint.step, checkpoint.config.gan_type, checkpoint.averaged) == (4, "lsgan", False)
    checkpoint.verify(["A2B"])
    image = checkpoint.generator("A2B")(recording["As"][0]).image
    np.testing.assert_allclose(image, recording["after/x_ab"], atol=2e-3)


def test_the_references_damaged_checkpoints_are_told(tmp_path):
    shutil.copytree(GOLDEN / "light_lsgan" / "checkpoint", tmp_path / "old")
    (folder,) = (tmp_path / "old").iterdir()
    data = folder / "UGATIT_light.model-4.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(DamagedError, match="model-4 is damaged"):
        open_folder(folder).verify()
