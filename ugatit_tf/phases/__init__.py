"""The phases: `--phase X` runs the module X of this package.

It has a first line of documentation that says what it does, a dataclass `Options` with what it alone takes, and a
function `run(config, options)`. That function imports the rooms that it wires: all phases' options are read for every
command line, which must not take the seconds that TensorFlow takes to load. What the user can mend is raised as a
`UserError`.
"""

import importlib
import pkgutil
from types import ModuleType


def table() -> dict[str, ModuleType]:
    """The modules of the phases by their names."""
    return {info.name: importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)}
