"""The command `ugatit`, also `python -m ugatit_tf` and, in a checkout, `python main.py`; `--help` lists its flags."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from ugatit_tf import flags, phases
from ugatit_tf.errors import UserError
from ugatit_tf.phases import train
from ugatit_tf.system import startup, terminal


@terminal.may_be_cut_off()
def main(argv: Sequence[str] | None = None) -> int:
    """Runs the phase that the flags ask for.

    Args:
        argv: the name of the program and its arguments; None: those of this process.

    Returns:
        The exit code.
    """
    path, *arguments = sys.argv if argv is None else argv
    program = "python -m ugatit_tf" if path == __file__ else Path(path).name
    startup.configure()
    with contextlib.ExitStack() as stack:
        try:
            command = flags.parse([program, *arguments], phases.table())
            if command.phase is train:
                stack.enter_context(terminal.outlived())  # a training takes days, and its terminal may be closed
            if command.note:
                print(command.note)
            if command.options.loads_tensorflow:
                startup.load_tensorflow()
            command.phase.run(command.config, command.options)
        except UserError as error:
            print(f"{program}: {error}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
