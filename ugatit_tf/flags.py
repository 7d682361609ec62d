"""The command line: absl flags to Config. Names, defaults and spellings are the reference's."""

import dataclasses
from collections.abc import Sequence

from absl import flags

from ugatit_tf import config as config_lib
from ugatit_tf.config import Config
from ugatit_tf.errors import UsageError

_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}


def _define(flag_values: flags.FlagValues) -> None:
    """Defines `--help`, `--preset` and a flag for every knob of Config."""
    flags.DEFINE_boolean("help", False, "print this and leave", short_name="h", flag_values=flag_values)
    flags.DEFINE_enum(
        "preset",
        None,
        list(config_lib.PRESETS),
        "sets many flags at once; a flag given explicitly wins",
        flag_values=flag_values,
    )
    for field in dataclasses.fields(Config):
        _DEFINE[field.type](field.name, field.default, field.metadata["help"], flag_values=flag_values)


def parse(argv: Sequence[str]) -> Config:
    """Turns a command line into a valid Config.

    Booleans may be spelt `--light`, `--light=true`, `--light True` or `--nolight`. Where `--n_dis` is not given and
    its default is too deep for `--img_size`, the deepest that fits is taken.

    Args:
        argv: the program's name and its arguments.

    Raises:
        UsageError: for an unknown flag, a value of the wrong type, or one that Config refuses.
        SystemExit: with code 0, after printing the flags, for `--help`.
    """
    # Not absl's global flags: there, its own logging claims --log_dir.
    flag_values = flags.FlagValues()
    _define(flag_values)
    try:
        rest = flag_values(_join_boolean_values(argv))
    except (flags.Error, ValueError) as error:  # absl raises the latter for --nolight=true
        raise UsageError(f"{_reason(error)} (--help lists all flags)") from error
    if flag_values.help:
        print(_help(argv[0]))
        raise SystemExit(0)
    if rest[1:]:
        raise UsageError(f"{rest[1]!r} is not a flag; flags start with --.")

    explicit = {
        field.name: getattr(flag_values, field.name)
        for field in dataclasses.fields(Config)
        if flag_values[field.name].present
    }
    values = config_lib.PRESETS.get(flag_values.preset, {}) | explicit
    config = Config(**values)
    if "n_dis" not in explicit:
        fitting = max(config_lib.deepest_n_dis(config.img_size), config_lib.SMALLEST_N_DIS)
        config = dataclasses.replace(config, n_dis=min(config.n_dis, fitting))
    config.validate()
    return config


def _reason(error: Exception) -> str:
    """The message of absl as one line; of a value of the wrong type, in words instead of Python's."""
    text = " ".join(str(error).split())
    field = next((field for field in dataclasses.fields(Config) if text.startswith(f"flag --{field.name}=")), None)
    if field is None:
        return text
    value = text.removeprefix(f"flag --{field.name}=").partition(": ")[0]
    return f"--{field.name} {value}: must be {_TYPES[field.type]}"


def _help(program: str) -> str:
    lines = [f"usage: python {program} [--flag value ...]", ""]
    lines.append(f"  --preset {'|'.join(config_lib.PRESETS)}: sets many flags at once; a flag given explicitly wins")
    for field in dataclasses.fields(Config):
        constraint = field.metadata["constraint"].text
        lines.append(f"  --{field.name} {field.default}: {field.metadata['help']} ({constraint})")
    return "\n".join(lines)


def _join_boolean_values(argv: Sequence[str]) -> list[str]:
    """Joins `--light True`, which absl would read as `--light` and a stray argument, into `--light=True`."""
    booleans = {
        f"{dashes}{field.name}" for field in dataclasses.fields(Config) if field.type is bool for dashes in ("-", "--")
    }
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] in booleans and not argument.startswith("-"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
