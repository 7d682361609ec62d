import doctest
import json

import pytest

from ugatit_tf import direction
from ugatit_tf.direction import Direction


def test_the_example_in_the_docstring_is_right():
    result = doctest.testmod(direction)
    assert result.attempted and not result.failed


def test_a_direction_and_the_other_one():
    one, other = Direction
    assert [one.source, one.target, one.arrow] == ["A", "B", "A → B"]
    assert (one.reverse, other.reverse) == (other, one)


def test_a_direction_is_its_label():
    assert json.dumps({Direction.B2A: Direction.A2B}) == '{"B2A": "A2B"}'
    assert {"A2B": 1}[Direction.A2B] == 1


@pytest.mark.parametrize("value", ["A2A", "a2b", "", None])
def test_another_value_is_refused(value):
    with pytest.raises(ValueError, match=f"direction must be one of A2B, B2A, not {value!r}"):
        Direction(value)
