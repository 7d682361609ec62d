"""The examples in the docstrings of the networks, the model and `load_generator` run and print what they show."""

import doctest

import pytest

from ugatit_tf import inference
from ugatit_tf.networks import discriminator, generator
from ugatit_tf.training import ugatit


@pytest.mark.parametrize("module", [discriminator, generator, ugatit, inference])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
