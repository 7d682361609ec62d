"""Made-up runs, healthy and going wrong in one way each."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from ugatit_tf.config import GAN_TYPES, Config
from ugatit_tf.networks.discriminator import LOGIT_NAMES
from ugatit_tf.runs.health import SampleStatistics, Watch, sample_statistics
from ugatit_tf.training.objective import GENERATOR_METRICS

LN2 = math.log(2)
CHANCE = {"lsgan": 0.5, "gan": 2 * LN2, "dragan": 2 * LN2, "hinge": 2.0}
HEALTHY = {
    f"discriminator_{domain}/{name}": value
    for domain in "AB"
    for name, value in (("local", 0.4), ("local_cam", 0.5), ("global", 0.2), ("global_cam", 0.5))
} | {"generator_A/cam": 0.7, "generator_B/cam": 0.01}
GOOD_SAMPLES = SampleStatistics(spread=0.02, input_spread=0.04, change=0.2)


def observe(watch, steps, seconds=1.0, **changes):
    """Logs every tenth of these steps; returns the alarms' names and steps. A change may be a function of the step."""
    found = []
    for step in steps:
        values = {name.replace("__", "/"): value(step) if callable(value) else value for name, value in changes.items()}
        now = seconds(step) if callable(seconds) else seconds * step
        watch._clock = SimpleNamespace(seconds=now)
        found += watch.on_report(step, HEALTHY | values, None)
    return [(alarm.name, alarm.step) for alarm in found]


def observe_samples(watch, statistics, every=1000):
    """Samples of A2B at every so many steps, beside healthy ones of B2A."""
    found = []
    for index, statistic in enumerate(statistics, 1):
        found += watch.observe_samples(index * every, {"A2B": statistic, "B2A": GOOD_SAMPLES})
    return [(alarm.name, alarm.step) for alarm in found]


def alike(spread):
    return GOOD_SAMPLES._replace(spread=spread)


@pytest.mark.parametrize("gan_type", GAN_TYPES)
def test_a_healthy_run_is_left_in_peace(gan_type):
    watch = Watch(Config(gan_type=gan_type))
    noise = np.random.default_rng(0).lognormal(size=20001)
    assert not observe(
        watch,
        range(10, 20001, 10),
        discriminator_A__local=lambda step: 0.4 * noise[step],
        discriminator_B__global=lambda step: 0.2 * noise[-step],
        generator_A__cam=lambda step: 1.4 if step < 1500 else 0.6,
    )
    assert not observe_samples(watch, [alike(0.001), *[GOOD_SAMPLES] * 20])
    assert watch.alarms == []


@pytest.mark.parametrize("gan_type", CHANCE)
def test_a_discriminator_that_wins_outright(gan_type):
    near_0, not_so_near = 0.015 * CHANCE[gan_type], 0.03 * CHANCE[gan_type]
    watch = Watch(Config(gan_type=gan_type))
    steps = range(10, 3001, 10)
    assert not observe(watch, steps, discriminator_B__local=not_so_near, discriminator_B__global=not_so_near)
    watch = Watch(Config(gan_type=gan_type))
    found = observe(watch, steps, discriminator_B__local=near_0, discriminator_B__global=near_0)
    assert found == [("discriminator_B_wins", 1010)]
    (alarm,) = watch.alarms
    assert f"its loss was {near_0:.2g} on average over at least 1000 steps" in alarm.text
    assert f"guessing gives {CHANCE[gan_type]:.2g}" in alarm.text
    assert "generator_B" in alarm.text
    assert "trainB" in alarm.text
    assert "\n" not in alarm.text


@pytest.mark.parametrize("gan_type", ["wgan-gp", "wgan-lp"])
def test_a_wasserstein_critic_may_win(gan_type):
    watch = Watch(Config(gan_type=gan_type))
    for loss in (0.0, -50.0):
        assert not observe(watch, range(10, 3001, 10), discriminator_A__local=loss, discriminator_A__global=loss)


@pytest.mark.parametrize(
    "loss",
    [
        lambda step: 0.0 if step % 1000 < 900 else 0.5,  # near 0 for 900 steps
        lambda step: float("nan") if step % 100 else 0.5,  # skipped steps say nothing
    ],
)
def test_what_does_not_last_is_no_win(loss):
    assert not observe(Watch(Config()), range(10, 5001, 10), discriminator_A__local=loss, discriminator_A__global=loss)


def test_one_part_alone_does_not_win():
    assert not observe(Watch(Config()), range(10, 3001, 10), discriminator_A__local=0.0)


def test_a_late_win_is_noticed_within_two_thousand_steps():
    loss = lambda step: 0.3 if step < 4560 else 1e-4  # noqa: E731
    (found,) = observe(Watch(Config()), range(10, 9001, 10), discriminator_A__local=loss, discriminator_A__global=loss)
    assert found[0] == "discriminator_A_wins"
    assert 5560 <= found[1] <= 6560


def test_few_points_are_no_evidence():
    won = {"discriminator_A__local": 0.0, "discriminator_A__global": 0.0}
    assert observe(Watch(Config()), range(1000, 9001, 1000), **won) == []
    assert observe(Watch(Config()), range(1000, 10001, 1000), **won) == [("discriminator_A_wins", 10000)]


def test_cam_at_chance():
    watch = Watch(Config(cam_weight=10.0))
    chance = 2 * LN2
    found = observe(watch, range(10, 5001, 10), generator_B__cam=lambda step: chance + 0.05 * (-1) ** (step // 10))
    assert found == [("generator_B_cam", 2010)]
    assert "1.39 on average over at least 2000 steps" in watch.alarms[0].text
    assert "--cam_weight, now 10." in watch.alarms[0].text


@pytest.mark.parametrize("loss", [0.9 * 2 * LN2, LN2, 0.0])
def test_cam_that_learns(loss):
    assert not observe(Watch(Config()), range(10, 5001, 10), generator_B__cam=loss)


def test_cam_without_a_weight_is_not_to_learn():
    assert not observe(Watch(Config(cam_weight=0.0)), range(10, 5001, 10), generator_B__cam=2 * LN2)


def test_outputs_that_collapse():
    watch = Watch(Config())
    found = observe_samples(watch, [alike(0.03)] * 5 + [alike(0.003)] * 5)
    assert found == [("A2B_collapsed", 7000)]  # the second sample in a row
    text = watch.alarms[0].text
    assert "vary by 0.003, the pictures by 0.04, the outputs at most by 0.03 before" in text


def test_outputs_that_never_differed():
    assert observe_samples(Watch(Config()), [alike(0.001)] * 5) == [("A2B_collapsed", 3000)]


@pytest.mark.parametrize(
    "statistics",
    [
        [alike(0.03), alike(0.003)] * 5,  # one bad sample, and it recovers
        [alike(0.2)] * 5 + [alike(0.005)] * 5,  # fallen, but as varied as an eighth of the inputs
        [SampleStatistics(spread=0.0, input_spread=0.0, change=0.2)] * 9,  # a single image has nothing to differ from
    ],
)
def test_outputs_that_have_not_collapsed(statistics):
    assert not observe_samples(Watch(Config()), statistics)


def test_frequent_samples_prove_nothing_sooner():
    found = observe_samples(Watch(Config()), [alike(0.03)] * 5 + [alike(0.003)] * 200, every=10)
    assert found == [("A2B_collapsed", 1060)]


def test_the_output_equals_the_input():
    same = GOOD_SAMPLES._replace(change=0.0123)
    watch = Watch(Config())
    assert observe_samples(watch, [GOOD_SAMPLES, *[same] * 5]) == [("A2B_copies", 4000)]
    assert "differ by 1.23% of the range" in watch.alarms[0].text
    assert not observe_samples(Watch(Config()), [same, same, GOOD_SAMPLES] * 3)
    assert not observe_samples(Watch(Config()), [GOOD_SAMPLES._replace(change=0.03)] * 9)


def test_sample_statistics_by_hand():
    def grid(*values):
        return np.concatenate([np.full((2, 2, 3), value, np.uint8) for value in values])

    grids = {
        "real_A": grid(0, 255),  # variance 1/4
        "fake_B": grid(51, 51),
        "real_B": grid(51, 153),  # 0.2 and 0.6: variance 0.04
        "fake_A": grid(51, 255),  # 0.2 and 1.0
        "A2B": np.zeros((4, 8, 3), np.uint8),
    }
    statistics = sample_statistics(grids)
    np.testing.assert_allclose(statistics["A2B"], (0, 0.04, (0.2 + 0.8) / 2), atol=1e-12)
    np.testing.assert_allclose(statistics["B2A"], (0.16, 0.04, (0 + 0.4) / 2), atol=1e-12)


def test_a_single_sample_image_has_no_variance():
    one, two = np.full((2, 2, 1), 9, np.uint8), np.array([[1, 1], [1, 1], [9, 9], [9, 9]], np.uint8)[..., None]
    statistics = sample_statistics({"real_A": one, "fake_B": one, "real_B": two, "fake_A": two})
    assert statistics["A2B"] == (0, 0, 0)
    assert statistics["B2A"].input_spread == 0


def clock(*pieces):
    """Seconds passed at a step, of pieces (until step, seconds a step)."""

    def at(step):
        total, start = 1e6, 0
        for until, pace in pieces:
            total += pace * (min(step, until) - start)
            start = min(step, until)
        return total

    return at


def test_steps_that_get_twice_as_slow():
    watch = Watch(Config())
    found = observe(watch, range(10, 3001, 10), seconds=clock((1010, 1.0), (3000, 2.1)))
    assert found == [("slow", 1410)]  # two blocks of twenty points
    assert "2.1 s each, where they took 1 s at best" in watch.alarms[0].text


def test_steps_that_get_slow_again():
    seconds = clock((1000, 2.0), (2000, 1.0), (4000, 2.1))
    assert [name for name, _ in observe(Watch(Config()), range(10, 4001, 10), seconds=seconds)] == ["slow"]


def test_steps_that_creep():
    assert observe(Watch(Config()), range(10, 9001, 10), seconds=lambda step: step + step**2 / 8000)


@pytest.mark.parametrize(
    "seconds",
    [
        clock((3000, 1.0)),
        clock((1000, 1.0), (3000, 1.9)),
        clock((1000, 2.0), (3000, 1.0)),  # at first slow
        lambda step: step + 3600 * (step > 5),  # tracing
        lambda step: step + 3600 * (step > 2000),  # one long pause
        lambda step: step + 300 * (step // 100),  # a save every 100 steps
        clock((1000, 1.0), (1250, 9.0), (3000, 1.0)),  # another program for a while
        clock((1000, 1e-4), (3000, 1e-2)),  # too quick to tell: 20 points are 2 seconds
    ],
)
def test_steps_that_are_not_slow(seconds):
    assert not observe(Watch(Config()), range(10, 3001, 10), seconds=seconds)


def test_quick_steps_are_watched_by_the_minute():
    found = observe(Watch(Config()), range(10, 60001, 10), seconds=clock((20000, 0.01), (60000, 0.03)))
    assert [name for name, _ in found] == ["slow"]


def test_nothing_is_told_twice():
    won = {"discriminator_A__local": 0.0, "discriminator_A__global": 0.0}
    watch = Watch(Config())
    assert len(observe(watch, range(10, 9001, 10), **won)) == 1
    resumed = Watch(Config(), watch.alarms, watch.memory)
    assert not observe(resumed, range(9010, 12001, 10), **won)
    assert resumed.alarms == watch.alarms
    assert observe(resumed, range(12010, 19001, 10), discriminator_B__local=0.0, discriminator_B__global=0.0)


def test_a_run_that_is_often_interrupted_is_watched_all_the_same():
    memory, found = None, []
    for start in range(0, 3000, 250):
        watch = Watch(Config(), memory=memory)
        steps = range(start + 10, start + 251, 10)
        found += observe(watch, steps, discriminator_A__local=0.0, discriminator_A__global=0.0)
        samples = {"A2B": alike(0.03 if start < 500 else 0)}
        found += [(alarm.name, alarm.step) for alarm in watch.observe_samples(start + 250, samples)]
        memory = json.loads(json.dumps(watch.memory))
    assert found[0] == ("discriminator_A_wins", 1010)
    assert ("A2B_collapsed", 1750) in found  # low since 750, and higher before


def test_steps_done_again_are_not_counted_twice():
    watch = Watch(Config())
    won = {"discriminator_A__local": 0.0, "discriminator_A__global": 0.0}
    observe(watch, range(510, 1001, 10), **won)
    watch.observe_samples(1000, {"A2B": alike(0)})
    resumed = Watch(Config(), memory=watch.memory)  # of a checkpoint of step 100
    assert observe(resumed, range(110, 3001, 10), **won) == [("discriminator_A_wins", 1110)]
    assert observe_samples(resumed, [alike(0)] * 30, every=100) == [("A2B_collapsed", 2100)]


def test_the_numbers_are_those_that_a_training_step_gives():
    names = {f"discriminator_{domain}/{name}" for domain in "AB" for name in LOGIT_NAMES} | set(GENERATOR_METRICS)
    assert set(HEALTHY) <= names
