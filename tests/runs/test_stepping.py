import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.config import Config
from ugatit_tf.data import pipeline
from ugatit_tf.data.cache import ImageCache
from ugatit_tf.data.image_set import ImageSet
from ugatit_tf.runs.stepping import Stepper, steps_until_due
from ugatit_tf.training.ugatit import UGATIT


def train(config, sizes):
    """The state after calls of so many steps, their metrics one after the other, and how often the step was traced."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = UGATIT(config)
    model.compile()
    traces = []
    take = model.train_step
    model.train_step = lambda data: traces.append(data) or take(data)
    stepper = Stepper(model, config)
    metrics = []
    for size in sizes:
        shape = (size, 2, 1, config.img_size, config.img_size, 3)
        batches = [tuple(tf.constant(domain, tf.float32) for domain in batch) for batch in rng.uniform(-1, 1, shape)]
        metrics.append({name: np.reshape(value, -1) for name, value in stepper.run(batches).items()})
    joined = {name: np.concatenate([m[name] for m in metrics]) for name in metrics[0]}
    return {v.path: v.numpy() for v in model.state}, joined, len(traces)


def test_several_steps_in_a_call_are_the_same_steps(tiny_config):
    config = dataclasses.replace(tiny_config, n_critic=2, iteration=10)
    state, metrics, _ = train(config, [1] * 6)
    together, joined, traces = train(config, [3, 1, 2])
    assert traces == 1
    for path, value in state.items():
        np.testing.assert_array_equal(together[path], value, err_msg=path)
    for name, values in metrics.items():
        assert len(values) == 6
        np.testing.assert_array_equal(joined[name], values, err_msg=name)


@pytest.mark.slow
def test_xla_takes_the_same_steps(tiny_config):
    state, metrics, _ = train(tiny_config, [1, 1])
    compiled, joined, _ = train(dataclasses.replace(tiny_config, jit=True), [2])
    for path, value in state.items():
        if "optimizer" not in path:  # Adam moves what has next to no gradient by up to lr, 1e-4, in either direction
            np.testing.assert_allclose(compiled[path], value, rtol=1e-3, atol=5e-4, err_msg=path)
    for name, values in metrics.items():
        np.testing.assert_allclose(joined[name], values, rtol=1e-2, atol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    ("step", "most", "expected"), [(0, 4, 4), (8, 4, 2), (10, 100, 10), (36, 100, 1), (38, 1, 1), (58, 9, 2)]
)
def test_calls_end_where_something_is_due(step, most, expected):
    config = Config(steps_per_call=most, epoch=1, iteration=60, log_freq=10, save_freq=37, print_freq=1000)
    assert steps_until_due(step, config) == expected


def test_nothing_is_traced_again_over_epochs_decay_and_a_restored_state(tiny_config, monkeypatch):
    traces = []
    take = UGATIT.train_step
    monkeypatch.setattr(UGATIT, "train_step", lambda self, data: traces.append(data) or take(self, data))
    config = dataclasses.replace(tiny_config, epoch=4, iteration=2, decay_epoch=1)
    model = UGATIT(config)
    model.compile()
    stepper = Stepper(model, config)
    black = np.zeros((32, 32, 3), np.uint8)
    cache = ImageCache(ImageSet("somewhere", ("0.png", "1.png", "2.png"), lambda *_: black), 32, 3, None)
    batches = pipeline.batches([cache, cache], 32, 2, augment=False, seed=0, first_step=0)  # of 3 images: none is short
    rates = {float(stepper.run([next(batches)])["learning_rate"]) for _ in range(config.total_steps - 1)}
    assert len(rates) > 2
    Checkpoint(CheckpointWriter(model.state, config).save(7), config).restore(model.state, strict=True)
    stepper.run([next(batches)])
    assert int(model.step) == config.total_steps
    assert len(traces) == 1
