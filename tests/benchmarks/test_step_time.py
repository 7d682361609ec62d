import math

import numpy as np
import pytest
from keras import ops

from benchmarks.step_time import CASES, discriminator_flops, generator_flops, tables
from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator

IMAGE = np.zeros((1, 32, 32, 3), np.float32)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (Generator(ch=2, n_res=3, light=True), generator_flops(2, 3, 32)),
        (Discriminator(ch=2, n_dis=4), discriminator_flops(2, 32, n_dis=4)),
    ],
    ids=["generator", "discriminator"],
)
def test_counts_are_those_of_the_networks(network, expected, monkeypatch):
    counts = []
    convolve = ops.conv

    def conv(inputs, kernel, **kwargs):
        outputs = convolve(inputs, kernel, **kwargs)
        halves = 2 if kernel.shape[0] == 1 else 1  # conv_1x1 counts as the reference computes it, unfolded
        count = 2 * halves * math.prod(kernel.shape) * math.prod(outputs.shape[1:3])
        # The last convolution computes 2x2 pixels at once, by a kernel in which each of them has its 7x7.
        counts.append(count * 7**2 // 8**2 if kernel.shape[0] == 8 else count)
        return outputs

    transpose = ops.conv_transpose

    def conv_transpose(inputs, kernel, **kwargs):
        # A 3x3 convolution of the doubled image, as the reference has it; the small one is padded by 1 here.
        pixels = 4 * math.prod(side - 2 for side in inputs.shape[1:3])
        counts.append(2 * 9 * math.prod(kernel.shape[2:]) * pixels)
        return transpose(inputs, kernel, **kwargs)

    monkeypatch.setattr(ops, "conv", conv)
    monkeypatch.setattr(ops, "conv_transpose", conv_transpose)
    network(IMAGE)
    assert sum(counts) == expected


def test_a_translation_at_256_px_is_105_billion_operations():
    assert generator_flops(64, 4, 256) == pytest.approx(105e9, rel=0.01)


def test_every_case_can_be_trained():
    for changes in CASES.values():
        options = {name: value for name, value in changes.items() if name not in ("repeats", "steps")}
        Config(**options).validate()


def test_targets_compare_the_cases_that_were_measured():
    light = {"gflops": 200.0, "start_s": 20.0, "step_s": 12.0, "step_s_per_image": 12.0, "step_ratio": 1.2}
    results = {"light": light | {"peak_gb": 4.4}, "bfloat16": {"step_s": 6.0}, "batch 4": {"step_s_per_image": 9.0}}
    lines = tables(results).splitlines()
    assert lines[2] == "| light | 200.00 | 20.00 | 12.00 | 1.20 |  |  | 4.40 |"
    assert lines[-5:] == [
        "| step, float32, over its convolutions | 1.20 | 1.1 |",
        "| step, bfloat16 / float32 | 0.50 | 0.55 |",
        "| train step at batch 4 / batch 1, per image | 0.75 | 0.9 |",
        "| start to end of first step, less a step, s | 8.00 | 10 |",
        "| peak, light, GB | 4.40 | 4.5 |",
    ]
