"""What of a checkpoint a run goes on with that has changed since."""

import dataclasses

import numpy as np
import pytest

from ugatit_tf.checkpoints.bundle import key
from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.folder import prefix_of
from ugatit_tf.checkpoints.writer import CheckpointWriter
from ugatit_tf.runs import resume
from ugatit_tf.training.ugatit import UGATIT


def scrambled(config, seed):
    model = UGATIT(config)
    model.compile()
    rng = np.random.default_rng(seed)
    for variable in model.state:
        variable.assign(rng.integers(1, 100, variable.shape))
    return model


def values(variables):
    return {variable.path: variable.numpy().copy() for variable in variables}


@pytest.mark.parametrize("ema", [(0.9, 0.9), (0.0, 0.9), (0.9, 0.0)])
def test_a_moving_average_may_come_and_go(tiny_config, caplog, ema):
    caplog.set_level("INFO", "ugatit_tf")
    before, after = (scrambled(dataclasses.replace(tiny_config, ema=value), seed) for seed, value in enumerate(ema))
    saved = values(before.state)
    resume.resume(after, Checkpoint(CheckpointWriter(before.state, tiny_config).save(7), tiny_config))
    if ema[0] < ema[1]:  # from the weights
        saved |= {
            average.path: saved[weight.path]
            for average, weight in zip(after.average_variables, after.generator_variables, strict=True)
        }
    np.testing.assert_equal(values(after.state), {variable.path: saved[variable.path] for variable in after.state})
    first, *rest = caplog.messages
    assert first.startswith(f"Resuming at step {int(before.step)} from ")
    assert rest == {
        (0.0, 0.9): ["The moving average starts here, from the weights: the checkpoint has none."],
        (0.9, 0.0): ["The checkpoint's moving average is left out, as --ema is 0."],
    }.get(ema, [])


@pytest.mark.parametrize("precisions", [("float16", "float16"), ("float32", "float16"), ("float16", "bfloat16")])
def test_a_loss_scale_may_come_and_go(tiny_config, precisions):
    before, after = (
        scrambled(dataclasses.replace(tiny_config, precision=value), seed) for seed, value in enumerate(precisions)
    )
    own = values(after.state)
    saved = own | values(before.state)
    resume.resume(after, Checkpoint(CheckpointWriter(before.state, tiny_config).save(7), tiny_config))
    np.testing.assert_equal(values(after.state), {path: saved[path] for path in own})
    scales = [path for path in own if path.endswith("/loss_scale")]
    assert len(scales) == 2 * (precisions[1] == "float16")


@pytest.mark.parametrize("ema", [(0.0, 0.0), (0.0, 0.9), (0.9, 0.9)])
def test_generators_alone_get_new_discriminators(tiny_config, save_generators, caplog, ema):
    caplog.set_level("INFO", "ugatit_tf")
    before, config = (dataclasses.replace(tiny_config, ema=value) for value in ema)
    save_generators(before)
    checkpoint = Checkpoint(prefix_of(before, 7), before)
    model = scrambled(config, 0)
    own, held = values(model.state), checkpoint.bundle.shapes
    saved = {path: checkpoint.bundle.read(key(path)).numpy() for path in own if key(path) in held}
    assert len(saved) == (2 if ema[0] else 1) * len(model.generator_variables)
    resume.resume(model, checkpoint)
    averages = {f"ema_{path}": value for path, value in saved.items()} if ema == (0.0, 0.9) else {}
    np.testing.assert_equal(values(model.state), own | saved | averages | {model.step.path: 7})
    assert caplog.messages[0].startswith(
        f"Resuming at step 7 from {checkpoint.prefix}, which holds generators alone: the discriminators are new"
    )
