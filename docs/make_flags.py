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
`--light=true`, `--light` or `--nolight`. A phase refuses flags that only other phases take. `--help` prints the tables
of this page, and `--phase NAME --help` prints the flags of one phase. `--run` stands for the flags that a run was
trained with; see [results](results.md#which-run-is-meant).

| flag | default | values | meaning |
| --- | --- | --- | --- |
| `--phase` | {phase} | one of {phases} | The task to run |
| `--preset` |  | one of {presets} | Set many flags at once; a flag that is given explicitly wins |
"""
_TABLE = "| flag | default | values | meaning |\n| --- | --- | --- | --- |\n"


def page() -> str:
    """The page's text."""
    sys.path.insert(0, str(ROOT))
    from ugatit_tf import flags, phases

    table = phases.table()
    names = ", ".join(f"`{name}`" for name in table)
    parts = [_HEAD.format(phase=flags.DEFAULT_PHASE, phases=names, presets=", ".join(f"`{n}`" for n in flags.PRESETS))]
    parts.append("\n## Flags that presets set\n\n")
    parts += [f"- `{name}`: {', '.join(_set(values))}\n" for name, values in flags.PRESETS.items()]
    parts.append("\n## Flags of one phase\n")
    for name, phase in table.items():
        summary = flags.summary(phase)
        parts.append(f"\n### `--phase {name}`\n\n{summary[0].upper()}{summary[1:]}\n")
        if fields := dataclasses.fields(phase.Options):
            parts.append(f"\n{_rows(fields)}")
        if phase.Options.of_config is not None:
            shared = ", ".join(f"`--{field}`" for field in sorted(phase.Options.of_config))
            parts.append(f"\nIt also takes these of the flags below: {shared}.\n")
    parts.append(
        "\n## Flags of a run\n\nThe other phases take all of these flags. They are saved in the run's `config.json`.\n"
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
