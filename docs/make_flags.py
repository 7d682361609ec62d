"""Writes docs/flags.md from the code: `python docs/make_flags.py`."""

import dataclasses
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = Path(__file__).with_name("flags.md")
_HEAD = """\
<!-- Written by docs/make_flags.py. -->
# Flags

Names and defaults are the reference's, so its commands work unchanged. Booleans may be given as `--light True`,
`--light=true`, `--light` or `--nolight`. A phase refuses the flags that only another takes. `--help` prints this page's
tables, `--phase NAME --help` what that phase takes. `--run` stands for the flags that a run was trained with:
[results](results.md#which-run-is-meant) tells more.

| flag | default | values | what it is |
| --- | --- | --- | --- |
| `--phase` | {phase} | one of {phases} | what to do |
| `--preset` |  | one of {presets} | sets many flags at once; a flag given explicitly wins |
"""
_TABLE = "| flag | default | values | what it is |\n| --- | --- | --- | --- |\n"


def page() -> str:
    """The page's text."""
    sys.path.insert(0, str(ROOT))
    from ugatit_tf import flags, phases

    table = phases.table()
    names = ", ".join(f"`{name}`" for name in table)
    parts = [_HEAD.format(phase=flags.DEFAULT_PHASE, phases=names, presets=", ".join(f"`{n}`" for n in flags.PRESETS))]
    parts.append("\n## What presets set\n\n")
    parts += [f"- `{name}`: {', '.join(_set(values))}\n" for name, values in flags.PRESETS.items()]
    parts.append("\n## What one phase takes\n")
    for name, phase in table.items():
        summary = flags.summary(phase)
        parts.append(f"\n### `--phase {name}`\n\n{summary[0].upper()}{summary[1:]}\n")
        if fields := dataclasses.fields(phase.Options):
            parts.append(f"\n{_rows(fields)}")
        if phase.Options.of_config is not None:
            shared = ", ".join(f"`--{field}`" for field in sorted(phase.Options.of_config))
            parts.append(f"\nOf the flags below it takes {shared}.\n")
    parts.append(
        "\n## What a run is\n\nThe other phases take all of these. They are saved in the run's `config.json`.\n"
    )
    for heading, fields in flags.grouped(flags.taken_by(table["train"].Options)).items():
        parts.append(f"\n### {heading}\n\n{_rows(fields)}")
    return "".join(parts)


def _rows(fields: Iterable[dataclasses.Field]) -> str:
    return _TABLE + "".join(
        f"| `--{field.name}` | {field.default} | {field.metadata['constraint'].text} | {field.metadata['help']} |\n"
        for field in fields
    )


def _set(values: dict) -> Iterable[str]:
    return (f"`--{name} {value}`" for name, value in values.items())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
