"""What `--phase X` runs: each phase is a module of that name with a function `run(config)`."""

import importlib

from ugatit_tf.config import Config


def run(config: Config) -> None:
    """Runs `config.phase`, one of `config.PHASES`. What the user can mend is raised as a `UserError`."""
    importlib.import_module(f"{__name__}.{config.phase}").run(config)
