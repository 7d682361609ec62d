import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from ugatit_tf import json_files
from ugatit_tf.errors import RunError


class Point(NamedTuple):
    step: int
    value: float
    high: float | None = None


@dataclasses.dataclass
class Everything:
    points: dict[str, Point]
    pairs: list[tuple[str, int]]
    curves: Mapping[str, Sequence[float | None]]
    condition: str | int
    colour: tuple[float, ...] | None
    is_done: bool
    rest: Any


EVERYTHING = Everything({"a": Point(1, 2.0)}, [("x", 3)], {"loss": [0.5, None]}, 64, (1.0, 2.0), True, {"b": [None]})


def test_a_dataclass_comes_back():
    assert json_files.loads(json_files.dumps(EVERYTHING), Everything) == EVERYTHING


def test_a_named_tuple_is_an_object_and_any_other_tuple_an_array():
    assert json_files.dumps((Point(1, 2.0, 3.0), ("x", 4))) == b'[{"step": 1, "value": 2.0, "high": 3.0}, ["x", 4]]\n'


def test_a_number_that_is_not_finite_is_null_and_null_is_nan():
    data = json_files.dumps([Point(1, math.nan, math.inf)])
    assert data == b'[{"step": 1, "value": null, "high": null}]\n'
    (point,) = json_files.loads(data, list[Point])
    assert math.isnan(point.value)
    assert point.high is None


def test_what_a_later_version_adds_is_ignored_and_a_whole_number_is_a_float():
    assert json_files.loads('{"step": 1, "value": 2, "news": []}', Point) == Point(1, 2.0)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("{", Point, "Expecting property name"),
        (b"\xc3(", Point, "decode"),
        ("[" * 100_000, list[Any], "nested too deeply"),
        ("[3]", Point, r"\[3\] is not of type Point"),
        ('{"step": 1}', Point, "a field is missing: .*value"),
        ('{"step": true, "value": 1}', Point, "true is not of type int"),
        ('{"step": "1", "value": 1}', Point, '"1" is not of type int'),
        ("null", Point, "null is not of type Point"),
        ("[1]", tuple[int, int], "zip"),
        ("{}", int, "not of type int"),
        ("[]", dict[str, int], "not of type dict"),
        ("1.5", int | None, r"not of type int \| None"),
    ],
)
def test_another_type_is_refused(text, kind, message):
    with pytest.raises(ValueError, match=message):
        json_files.loads(text, kind)


def test_a_file_that_is_damaged_or_missing(tmp_path):
    path = tmp_path / "points.json"
    assert json_files.read(path, list[Point], "") is None
    assert json_files.read(path / "below", list[Point], "") is None
    path.write_text('{"step": 1}')
    with pytest.raises(RunError, match=r"points\.json is damaged \(.* is not of type list\): delete it\.$"):
        json_files.read(path, list[Point], "delete it")
    assert json_files.read_if_valid(path, list[Point]) is None
    with pytest.raises(RunError, match="cannot read .*: Is a directory"):
        json_files.read(tmp_path, list[Point], "")
