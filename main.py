"""Trains, tests and exports U-GAT-IT: `python main.py --phase train --dataset NAME`. `--help` lists all flags."""

import contextlib
import logging
import os
import sys
import warnings

from ugatit_tf import flags, phases
from ugatit_tf.errors import UserError
from ugatit_tf.phases import train
from ugatit_tf.system import allocator, terminal

# TensorFlow's start-up chatter (CPU features, missing CUDA) is no news to the user; errors still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# Nor are Pillow's warnings, of damaged EXIF for instance, which do not say in which file.
warnings.filterwarnings("ignore", module="PIL")
# TensorFlow's own allocator keeps regions for tensors of each size, glibc's one for each thread: with a single one for
# all, a training needs about a tenth less. It has to be set before TensorFlow starts its threads.
os.environ.setdefault("TF_ONEDNN_USE_SYSTEM_ALLOCATOR", "1")
allocator.one_region()


def main(argv: list[str]) -> int:
    """Runs the phase that the flags ask for; returns the exit code."""
    with contextlib.ExitStack() as stack:
        try:
            command = flags.parse(argv, phases.table())
            if command.phase is train:
                stack.enter_context(terminal.outlived())  # it takes days
            if command.note:
                print(command.note)
            command.phase.run(command.config, command.options)
        except UserError as error:
            print(f"{argv[0]}: {error}", file=sys.stderr)
            return error.exit_code
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
