"""The examples in the docstrings of the networks run and print what they show."""

import doctest

import pytest

from ugatit_tf.networks import discriminator, generator


@pytest.mark.parametrize("module", [discriminator, generator])
def test_examples_in_docstrings(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
