"""Keeping a run's best checkpoint, in a folder of its own that no rotation touches."""

import contextlib
import json
import os
import shutil
from pathlib import Path

from ugatit_tf.checkpoints.folder import BEST_FILE, BEST_FOLDER, Best, RunFolder
from ugatit_tf.system import files


def keep(prefix: Path, best: Best) -> None:
    """Puts a checkpoint of a run in place of its best one.

    At any moment the folder holds an intact one, if it did so before: the new one is all there before `best.json` names
    it, and the old one goes after that. Its files are links to those of the run's folder, where the disk allows it, and
    so take no room as long as the run has them too.

    Args:
        prefix: of the checkpoint, in the run's folder.
        best: what is known of it.

    Raises:
        RunError: where it cannot be written; the earlier best is then still there.
    """
    with files.staged(prefix.parent / BEST_FOLDER, last=BEST_FILE) as staging:
        for path in prefix.parent.glob(f"{prefix.name}.*"):
            try:
                os.link(path, staging / path.name)
            except OSError:  # a file system without links
                shutil.copyfile(path, staging / path.name)
        (staging / BEST_FILE).write_text(json.dumps(best._asdict(), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    tidy(prefix.parent)


def tidy(folder: Path) -> None:
    """Deletes what a killed or earlier `keep` has left beside the best checkpoint in a run's folder."""
    best = RunFolder(folder).best()
    place = folder / BEST_FOLDER
    files.clear_leftovers(place)
    for path in place.iterdir() if best else ():
        if path.name != BEST_FILE and not path.name.startswith(f"{best.name}."):
            with contextlib.suppress(OSError):
                path.unlink()
