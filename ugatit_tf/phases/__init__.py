"""The phases: `--phase X` runs the module X of this package.

Each module has a docstring whose first line says what the phase does, a dataclass `Options` with the flags that only
this phase takes, and a function `run(config, options)`. The imports of a phase's rooms are inside its functions, since
every command line reads the options of all phases, and TensorFlow takes seconds to load. A phase raises a `UserError`
for each problem that the user can correct.
"""

import importlib
import pkgutil
from types import ModuleType


def table() -> dict[str, ModuleType]:
    """Returns the modules of the phases by their names."""
    return {info.name: importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)}
