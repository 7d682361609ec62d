import math

import numpy as np
import pytest
from keras import ops

from benchmarks.step_time import discriminator_flops, generator_flops
from ugatit_tf.networks.discriminator import Discriminator
from ugatit_tf.networks.generator import Generator


@pytest.fixture
def counted(monkeypatch):
    """The operations of every convolution that runs."""
    counts = []
    convolve = ops.conv

    def conv(inputs, kernel, **kwargs):
        outputs = convolve(inputs, kernel, **kwargs)
        counts.append(2 * math.prod(kernel.shape) * math.prod(outputs.shape[1:3]))
        return outputs

    monkeypatch.setattr(ops, "conv", conv)
    return counts


def test_counts_are_those_of_the_networks(counted):
    image = np.zeros((1, 32, 32, 3), np.float32)
    Generator(ch=2, n_res=3, light=True)(image)
    assert sum(counted) == generator_flops(2, 3, 32)
    counted.clear()
    Discriminator(ch=2, n_dis=4)(image)
    assert sum(counted) == discriminator_flops(2, 32, n_dis=4)


def test_a_translation_at_256_px_is_105_billion_operations():
    assert generator_flops(64, 4, 256) == pytest.approx(105e9, rel=0.01)
