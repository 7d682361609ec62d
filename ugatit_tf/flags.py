"""Parses the command line into a phase, the options of that phase and the configuration of a run.

The names, defaults and spellings of the flags are the reference's. absl parses them.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

from absl import flags

from ugatit_tf.checkpoints import choice
from ugatit_tf.config import Config, lowered_n_dis
from ugatit_tf.errors import UsageError, reason
from ugatit_tf.options import PhaseOptions, one_of

Fields = dict[str, dataclasses.Field]

DEFAULT_PHASE = "train"
_TYPES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_DEFINE = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {
        "dataset": "demo",
        "light": True,
        "img_size": 64,
        "ch": 16,
        "n_res": 2,
        "n_dis": 4,
        "augment_flag": False,  # the built-in faces vary enough without it
        "cycle_weight": 20.0,
        "identity_weight": 20.0,
        "cam_weight": 10.0,  # with 1000, so short a run would train little but the CAM classifier
        "epoch": 50,
        "iteration": 250,
        "decay_epoch": 38,
        "lr": 0.0005,
        "ema": 0.9998,  # averages over 5000 steps, which evens out the changing light on the faces
        "print_freq": 500,
        "save_freq": 2500,
    },
    "light": {"light": True},
    "full": {"light": False},
}


class Command(NamedTuple):
    """A parsed command line."""

    phase: ModuleType
    config: Config
    options: PhaseOptions  # the phase's own options
    note: str  # a line for the user about how the run was found; empty if the flags name the run


def parse(argv: Sequence[str], phases: Mapping[str, ModuleType]) -> Command:
    """Parses a command line and checks all of its values.

    Booleans may be spelt `--light`, `--light=true`, `--light True` or `--nolight`. If `--n_dis` is not given and its
    default is too deep for `--img_size`, the deepest value that fits replaces it.

    Args:
        argv: the name of the program and its arguments.
        phases: the modules of the phases by name; each has a dataclass `Options`.

    Raises:
        UsageError: A flag is unknown or belongs to another phase, or a value has the wrong type or is not allowed.
        RunError: The flags match no run, or more than one.
        SystemExit: `--help` is given. The flags are printed, and the exit code is 0.
    """
    fields = _CONFIG | {name: field for phase in phases.values() for name, field in _fields(phase.Options).items()}
    flag_values = _flag_values(fields)
    try:
        rest = flag_values(_join_boolean_values(argv, fields))
    except (flags.Error, ValueError) as error:  # absl raises the latter for --nolight=true
        raise UsageError(f"{_plain_message(error, fields)} (--help lists all flags)") from error
    name = flag_values.phase
    if name not in phases:
        raise UsageError(f"--phase {name}: must be {one_of(tuple(phases)).text}.")
    if flag_values.help:
        shown = {name: phases[name]} if flag_values["phase"].present else phases
        print(_help(argv[0], shown))
        raise SystemExit(0)
    if rest[1:]:
        raise UsageError(f"{rest[1]!r} is not a flag; flags start with --.")

    given = {field: getattr(flag_values, field) for field in fields if flag_values[field].present}
    for flag in given:
        if flag not in taken_by(phases[name].Options):
            owners = [other for other, phase in phases.items() if flag in taken_by(phase.Options)]
            raise UsageError(f"--{flag} is no flag of --phase {name}, but of --phase {', '.join(owners)}.")
    own = _fields(phases[name].Options)
    options = phases[name].Options(**{flag: value for flag, value in given.items() if flag in own})
    options.validate_values()
    explicit = {flag: value for flag, value in given.items() if flag in _CONFIG}
    config, note = _configure(PRESETS.get(flag_values.preset, {}), explicit, options)
    options.validate(config)
    return Command(phases[name], config, options, note)


def taken_by(options: type[PhaseOptions]) -> Fields:
    """Returns all fields that a phase takes, its own options first."""
    names = _CONFIG if options.of_config is None else options.of_config
    return _fields(options) | {name: field for name, field in _CONFIG.items() if name in names}


def _fields(options: type) -> Fields:
    return {field.name: field for field in dataclasses.fields(options)}


_CONFIG = _fields(Config)


def _configure(preset: dict[str, Any], explicit: dict[str, Any], options: PhaseOptions) -> tuple[Config, str]:
    """Returns the run's configuration, and the line for `Command.note`."""
    given = preset | explicit
    config = Config(**given)
    if "n_dis" not in explicit:
        config = dataclasses.replace(config, n_dis=lowered_n_dis(config.n_dis, config.img_size))
    given = {name: getattr(config, name) for name in given}  # Config has normalized the paths
    config.validate()
    if config.run:
        return choice.named(given), ""
    return choice.fitting(given, config) if options.needs_run else (config, "")


def _flag_values(fields: Fields) -> flags.FlagValues:
    """Returns absl's parser with `--help`, `--preset`, `--phase` and one flag per option."""
    values = flags.FlagValues()  # absl's global flags already have a --log_dir, that of its logging
    flags.DEFINE_boolean("help", False, "", short_name="h", flag_values=values)
    flags.DEFINE_enum("preset", None, list(PRESETS), "", flag_values=values)
    flags.DEFINE_string("phase", DEFAULT_PHASE, "", flag_values=values)
    for field in fields.values():
        _DEFINE[field.type](field.name, field.default, field.metadata["help"], flag_values=values)
    return values


def _plain_message(error: Exception, fields: Fields) -> str:
    """Returns absl's message; for a value of the wrong type, a plainer one."""
    text = reason(error)
    field = next((field for name, field in fields.items() if text.startswith(f"flag --{name}=")), None)
    if field is None:
        return text
    value = text.removeprefix(f"flag --{field.name}=").partition(": ")[0]
    return f"--{field.name} {value}: must be {_TYPES[field.type]}"


def _help(program: str, phases: Mapping[str, ModuleType]) -> str:
    also = " in addition to the flags below" if len(phases) > 1 else ""
    lines = [f"usage: {program} [--flag value ...]", "", f"Phases and the flags that each of them takes{also}:"]
    shared: Fields = {}
    for name, phase in phases.items():
        default = " (the default)" if name == DEFAULT_PHASE else ""
        lines.append(f"  --phase {name}{default}: {summary(phase)}")
        lines += [f"  {_help_of(field)}" for field in _fields(phase.Options).values()]
        shared |= taken_by(phase.Options)
    for heading, group in grouped(shared).items():
        lines += ["", f"{heading}:", *map(_help_of, group)]
    presets = f"  --preset {'|'.join(PRESETS)}: Set many flags at once; a flag that is given explicitly wins"
    return "\n".join(
        [*lines, "", "Also:", presets, "  --help: Print this text; with --phase NAME, the flags of that phase"]
    )


def _help_of(field: dataclasses.Field) -> str:
    flag = f"--{field.name} {field.default}".rstrip()
    return f"  {flag}: {field.metadata['help']} ({field.metadata['constraint'].text})"


def summary(phase: ModuleType) -> str:
    """Returns what a phase does: the first line of its module's docstring without the flag at its start."""
    return phase.__doc__.partition("\n")[0].partition(": ")[2]


def grouped(fields: Fields) -> dict[str, list[dataclasses.Field]]:
    """Returns those of the fields that belong to `Config`, in lists by the headings of the help."""
    groups: dict[str, list[dataclasses.Field]] = {}
    for name in (name for name in _CONFIG if name in fields):
        groups.setdefault(_CONFIG[name].metadata["group"], []).append(_CONFIG[name])
    return groups


def _join_boolean_values(argv: Sequence[str], fields: Fields) -> list[str]:
    """Joins `--light True`, which absl would read as `--light` and a stray argument, into `--light=True`."""
    booleans = {f"{dashes}{name}" for name, field in fields.items() if field.type is bool for dashes in ("-", "--")}
    joined: list[str] = []
    for argument in argv:
        if joined and joined[-1] in booleans and not argument.startswith("-"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined
