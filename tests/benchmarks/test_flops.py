import dataclasses
import math

import numpy as np
import pytest
from keras import ops

from benchmarks import flops
from ugatit_tf.config import Config
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator

IMAGE = np.zeros((1, 32, 32, 3), np.float32)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (Generator(ch=2, n_res=3, light=True), flops.generator(2, 3, 32)),
        (Discriminator(ch=2, n_dis=4), flops.discriminator(2, 32, n_dis=4)),
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
    assert flops.of_translation(Config()) == pytest.approx(105e9, rel=0.01)


def test_a_step_is_18_translations_and_16_discriminations_of_an_image():
    config = Config(img_size=64, ch=8, n_dis=5)
    one = flops.generator(8, 4, 64), flops.discriminator(8, 64, 5)
    assert flops.of_step(config) == 18 * one[0] + 16 * one[1]
    assert flops.of_step(dataclasses.replace(config, batch_size=3)) == 3 * flops.of_step(config)
