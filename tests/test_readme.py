import dataclasses
from pathlib import Path

from ugatit_tf.config import PRESETS, Config

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_readme_lists_every_flag_as_it_is():
    for field in dataclasses.fields(Config):
        assert f"| `--{field.name}` | {field.default} | {field.metadata['help']} |" in README
    for preset in PRESETS:
        assert f"`{preset}`" in README
