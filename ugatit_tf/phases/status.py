"""`--phase status`: prints the state of a run, also while it trains; writes nothing."""

import dataclasses
from pathlib import Path

from ugatit_tf.checkpoints import choice
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.options import PhaseOptions


@dataclasses.dataclass(frozen=True)
class Options(PhaseOptions):
    """The phase takes no flags of its own."""

    needs_run = True


def run(config: Config, options: Options) -> None:
    """Prints the state of the run.

    Raises:
        RunError: There is no such run. The message names the runs that exist.
    """
    from ugatit_tf.runs import status_report

    del options
    folder = RunFolder(config.run_checkpoint_dir)
    if not folder.exists:
        raise RunError(f"There is no run in {folder.path}. {choice.others(Path(config.checkpoint_dir))}")
    status_report.tell(folder)
