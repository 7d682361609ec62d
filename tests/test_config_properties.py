"""Whatever is valid goes through JSON and the command line and back; whatever is not is refused by its name."""

import dataclasses
import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ugatit_tf import flags, phases
from ugatit_tf.config import SMALLEST_N_DIS, Config
from ugatit_tf.errors import RunError, UsageError

FIELDS = {field.name: field for field in dataclasses.fields(Config)}
TEXT = st.text(min_size=1, max_size=40)
LARGEST = 2**31 - 1
SUITED = {"n_dis", "img_size", "run"}
PHASES = phases.table()
SIZES = pytest.mark.parametrize("examples", [30, pytest.param(1000, marks=pytest.mark.slow)])


def check_all(strategy, examples, check):
    """Runs `check` on so many values, always the same ones."""
    settings(max_examples=examples, derandomize=True, deadline=None, database=None)(given(strategy)(check))()


def parse(*arguments):
    return flags.parse(["main.py", *arguments], PHASES).config


def constraint(name):
    return FIELDS[name].metadata["constraint"]


def valid(name):
    """Any value that an option may have on its own."""
    kind, holds = FIELDS[name].type, constraint(name).holds
    if kind is bool:
        return st.booleans()
    if kind is float:
        return st.floats(0, allow_nan=False, allow_infinity=False).filter(holds)
    words = re.findall(r"[\w-]+", constraint(name).text)  # one of which it may have to be
    if kind is int and constraint(name).text.startswith("from "):
        return st.integers(*(int(word) for word in words if word.isdigit()))
    if kind is int:
        choices = [int(word) for word in words if word.isdigit() and holds(int(word))]
        return st.integers(0, LARGEST).filter(holds) if holds(LARGEST) else st.sampled_from(choices)
    return TEXT.filter(holds) if holds("any text") else st.sampled_from([word for word in words if holds(word)])


@st.composite
def configs(draw):
    """Valid configurations: few or many options other than the default, which then suit each other."""
    names = draw(st.sets(st.sampled_from(sorted(set(FIELDS) - SUITED))))
    values = {name: draw(valid(name)) for name in sorted(names)}
    if values.get("keep_best"):
        values["evaluate_freq"] = max(1, values.get("evaluate_freq", 0))
    n_dis = draw(st.integers(SMALLEST_N_DIS, 12))
    # 3 px for the last layers, each of the others halves them.
    img_size = 4 * draw(st.integers(3 * 2 ** (n_dis - 1) // 4, 10_000))
    return Config(n_dis=n_dis, img_size=img_size, **values)


@st.composite
def refused(draw):
    """An option, and a value that it may not have."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    kind, holds = FIELDS[name].type, constraint(name).holds
    anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
    others = anything.filter(lambda value: type(value) is not kind and not (kind is float and type(value) is int))
    own = {
        bool: st.nothing(),
        int: st.integers(),
        float: st.sampled_from([math.nan, math.inf, -math.inf]) | st.floats(max_value=-1e-9),
        str: TEXT | st.just(""),
    }[kind]
    if kind is str and holds("any text") and holds(""):
        own = st.nothing()
    return name, draw(others | own.filter(lambda value: kind is float or not holds(value)))


@SIZES
def test_json_round_trip(examples):
    def check(config):
        config.validate()
        assert Config.from_json(config.to_json()) == config
        assert Config.from_json(json.dumps(json.loads(config.to_json()))) == config

    check_all(configs(), examples, check)


@SIZES
def test_command_line_round_trip(examples):
    def check(config):
        values = {name: value for name, value in dataclasses.asdict(config).items() if name != "run"}
        assert parse(*(f"--{name}={value}" for name, value in values.items())) == config
        apart = (part for name, value in values.items() for part in (f"--{name}", f"{value}"))
        if not any(isinstance(value, str) and value.startswith("-") for value in values.values()):
            assert parse(*apart) == config

    check_all(configs(), examples, check)


@SIZES
def test_what_is_invalid_is_refused_by_name(examples):
    def check(case):
        name, value = case
        with pytest.raises(UsageError, match=f"^--{name} ") as error:
            Config(**{name: value}).validate()
        assert len(str(error.value).splitlines()) == 1
        with pytest.raises(RunError, match=f"--{name} "):
            Config.from_json(json.dumps({name: value}))

    check_all(refused(), examples, check)


@SIZES
def test_any_text_for_a_flag_is_taken_or_refused_by_name(examples):
    def check(case):
        name, text, apart = case
        apart = apart and not text.startswith("-")
        try:
            config = parse(*([f"--{name}", text] if apart else [f"--{name}={text}"]))
        except (UsageError, RunError) as error:
            assert f"--{name}" in str(error)
            assert len(str(error).splitlines()) == 1
        else:
            config.validate()

    text = st.text() | st.integers().map(str) | st.floats().map(str)
    check_all(st.tuples(st.sampled_from(sorted(FIELDS)), text, st.booleans()), examples, check)


@SIZES
def test_any_command_line_is_taken_or_refused_in_a_line(examples):
    def check(arguments):
        try:
            parse(*arguments).validate()
        except (UsageError, RunError) as error:
            assert len(str(error).splitlines()) == 1
        except SystemExit as leave:
            assert leave.code == 0
            assert any(argument.lstrip("-").startswith("h") for argument in arguments)

    name = st.sampled_from(["", "-", "--", "---", "--no"]).flatmap(
        lambda dashes: (st.sampled_from(["preset", "help", *FIELDS]) | st.text()).map(dashes.__add__)
    )
    check_all(st.lists(name | st.text() | st.tuples(name, st.text()).map("=".join), max_size=6), examples, check)


@SIZES
def test_any_json_is_a_configuration_or_refused(examples):
    def check(text):
        try:
            Config.from_json(text).validate()
        except RunError as error:
            assert str(error).startswith("config.json is not a configuration of this version: ")
            assert len(str(error).splitlines()) == 1

    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(FIELDS)) | st.text(), inner),
        max_leaves=8,
    )
    cut = st.integers(0, 2000).map(lambda end: Config().to_json()[:end])
    check_all(value.map(json.dumps) | cut | st.text(), examples, check)
