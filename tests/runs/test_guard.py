import dataclasses
import logging
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from ugatit_tf.errors import RunError
from ugatit_tf.runs import guard as guard_lib
from ugatit_tf.runs.guard import Guard

NAN, INF = float("nan"), float("inf")
GOOD = {
    "discriminator_A/local": 0.5,
    "discriminator_A/gradient_norm": 1.0,
    "d_loss": 2.0,
    "generator_A/cycle": 0.5,
    "generator_A/total": 9.0,
    "generator_B/gradient_norm": 3.0,
    "g_loss": 18.0,
    "rho/mean": 0.5,
}


def batch_at(step):
    """One of two images of a domain, those of A as dark as there were steps before."""
    return tf.fill((2, 4, 4, 3), step / 127.5 - 1), tf.fill((2, 4, 4, 3), 1.0)


class Run:
    def __init__(self, config, **changes):
        self.config = dataclasses.replace(config, **changes)
        self.guard = Guard(self.config, batch_at)
        self.samples = Path(self.config.sample_dir) / self.config.model_dir
        self.samples.mkdir(parents=True)

    def steps(self, *steps):
        for step, changes in steps:
            self.guard.add(step - 1, {name: tf.constant(value) for name, value in (GOOD | changes).items()})


def test_what_is_finite_passes(tiny_config, caplog):
    caplog.set_level(logging.INFO)
    run = Run(tiny_config)
    run.guard.check()
    run.steps((1, {"skipped": 0.0}), (2, {"skipped": 0.0, "generator_A/cycle": -3e38}))
    run.guard.check()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"generator_A/cycle": NAN}, "the cycle loss of generator_A is not finite (nan)."),
        ({"generator_B/gradient_norm": INF}, "the gradient norm of generator_B is not finite (inf)."),
        ({"rho/mean": NAN}, "rho/mean is not finite (nan)."),
        # Where it began comes first: the discriminators' part of a step is before the generators', a gradient follows
        # from the losses, and sums from what they are of.
        (
            dict.fromkeys(("d_loss", "g_loss", "generator_A/cycle", "generator_A/total"), NAN),
            "the cycle loss of generator_A is not finite (nan); nor are 3 other numbers.",
        ),
        (
            dict.fromkeys(("generator_B/gradient_norm", "generator_A/total", "discriminator_A/gradient_norm"), -INF),
            "the gradient norm of discriminator_A is not finite (-inf); nor are 2 other numbers.",
        ),
        ({"generator_B/gradient_norm": INF, "generator_A/total": INF}, "the total loss of generator_A is not finite"),
    ],
)
def test_the_step_the_term_and_the_network_are_named(tiny_config, changes, text):
    run = Run(tiny_config)
    run.steps((1233, {}), (1234, changes), (1235, dict.fromkeys(GOOD, NAN)))
    with pytest.raises(RunError) as error:
        run.guard.check()
    assert str(error.value).startswith(f"Step 1234: {text}")
    assert "no checkpoint has been saved yet" in str(error.value)
    assert "\n" not in str(error.value)


def test_the_last_good_checkpoint_and_the_batch_are_named(tiny_config):
    run = Run(tiny_config)
    folder = run.config.run_checkpoint_dir
    folder.mkdir(parents=True)
    for step in (900, 1000):
        (folder / f"UGATIT_light.model-{step}.index").touch()
    run.steps((12, {"g_loss": NAN}))
    with pytest.raises(RunError) as error:
        run.guard.check()
    assert f"{folder / 'UGATIT_light.model-1000'} is the last good checkpoint" in str(error.value)
    (picture,) = run.samples.iterdir()
    assert (picture.name, str(picture) in str(error.value)) == ("not_finite_12.png", True)
    pixels = np.asarray(Image.open(picture))
    assert pixels.shape == (2 * 4, 2 * 4, 3)  # a row an image
    assert (pixels[:, :4] == 11).all() and (pixels[:, 4:] == 255).all()  # the batch after 11 steps


def test_a_batch_that_cannot_be_kept_does_not_hide_the_reason(tiny_config):
    run = Run(tiny_config)
    run.samples.rmdir()
    run.steps((1, {"g_loss": NAN}))
    with pytest.raises(
        RunError, match=r"^Step 1: g_loss is not finite .* Its pictures could not be kept: cannot write"
    ):
        run.guard.check()


def test_so_many_skipped_steps_are_told_and_counted_and_one_more_stops(tiny_config, caplog):
    caplog.set_level(logging.INFO)
    run = Run(tiny_config, skip_nonfinite=2)
    bad = {"g_loss": NAN, "skipped": 1.0}
    run.steps((1, {"skipped": 0.0}), (2, bad), (3, {"skipped": 0.0}))
    run.guard.check()
    run.steps((4, bad))
    run.guard.check()
    assert caplog.messages == [
        "Skipped step 2, 1 of at most 2: g_loss is not finite (nan).",
        "Skipped step 4, 2 of at most 2: g_loss is not finite (nan).",
    ]
    run.steps((5, {"skipped": 0.0}), (6, bad))
    with pytest.raises(RunError, match="^Step 6: g_loss is not finite .*--skip_nonfinite allows for 2 such steps"):
        run.guard.check()


def test_a_step_that_was_not_skipped_stops_all_the_same(tiny_config):
    run = Run(tiny_config, skip_nonfinite=2)
    run.steps((1, {"g_loss": NAN, "skipped": 0.0}))
    with pytest.raises(RunError, match="^Step 1: "):
        run.guard.check()


def test_the_generators_numbers_count_in_the_steps_of_their_updates(tiny_config, caplog):
    caplog.set_level(logging.INFO)
    run = Run(tiny_config, skip_nonfinite=1, n_critic=2)
    bad = {"g_loss": NAN}
    run.steps((3, bad | {"skipped": 1.0}), (4, bad | {"skipped": 0.0}))
    run.guard.check()
    assert len(caplog.messages) == 1
    run.steps((6, bad | {"d_loss": NAN, "skipped": 0.0}))
    with pytest.raises(RunError, match=r"^Step 6: d_loss is not finite \(nan\)\. "):
        run.guard.check()


def test_metrics_do_not_pile_up(tiny_config, monkeypatch):
    monkeypatch.setattr(guard_lib, "_MOST_PENDING", 3)
    run = Run(tiny_config)
    run.steps((1, {"g_loss": NAN}), (2, {}))
    with pytest.raises(RunError, match="^Step 1: "):
        run.steps((3, {}))


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_values_that_are_not_finite_are_not_saved(tiny_config, value):
    run = Run(tiny_config)
    good = keras.Variable([[1.0, -3e38]], name="kernel")
    counter = keras.Variable(7, dtype="int64", name="step")
    run.guard.check_variables(9, [good, counter])
    bad = keras.Variable([1.0, value], name="bias")
    with pytest.raises(RunError, match="^Step 9: bias is not finite after it. Stopped without saving"):
        run.guard.check_variables(9, [good, counter, bad])


def test_of_several_steps_in_a_call_the_right_one_is_named(tiny_config):
    run = Run(tiny_config)
    run.guard.add(0, {name: tf.constant(value) for name, value in GOOD.items()})
    run.guard.add(1, {name: tf.fill([3], value) for name, value in GOOD.items()} | {"g_loss": tf.constant([1, NAN, 2])})
    with pytest.raises(RunError, match=r"^Step 3: g_loss is not finite \(nan\)"):
        run.guard.check()
