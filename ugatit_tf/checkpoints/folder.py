"""A run's folder of checkpoints, read by file names and small JSON files alone. Needs no TensorFlow."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ugatit_tf import json_files
from ugatit_tf.config import CONFIG_FILE, Config
from ugatit_tf.errors import RunError, reason
from ugatit_tf.options import BEST
from ugatit_tf.system.files import make_folder, write_atomically

STATUS_FILE = "status.json"
BEST_FOLDER = "best"  # in a run's folder; the rotation never deletes from it
BEST_FILE = "best.json"  # in the folder `best`
STATE_FILE = "checkpoint"  # TensorFlow's list of the checkpoints

_PARTS = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


class Best(NamedTuple):
    """A run's best checkpoint and its score."""

    name: str  # the checkpoint's name in the folder `best`
    step: int  # completed steps
    metric: str  # the name of the score that chose it
    value: float  # that score, the mean of both directions
    high: float | None  # the upper end of its 95% interval; None if unknown
    # The other conditions of the score: only scores of equal conditions compare. None if an earlier version wrote the
    # file.
    conditions: dict[str, str | int] | None = None


class RunFolder:
    """The folder of a run.

    Attributes:
        path: the path of the folder, which need not exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def exists(self) -> bool:
        """Whether the folder holds any file of a run."""
        return any((self.path / name).is_file() for name in (CONFIG_FILE, STATUS_FILE)) or bool(self.checkpoints())

    def checkpoints(self, model_name: str = "*") -> list[Path]:
        """Returns the prefixes of all checkpoints, damaged ones too, in descending order of the steps in their names.

        The state file is ignored: it may be damaged, and it names old places if the folder was moved.

        Args:
            model_name: "UGATIT", "UGATIT_light", or "*" for both.
        """
        prefixes = [path.with_suffix("") for path in self.path.glob(f"{model_name}.model-*.index")]
        return sorted(
            (prefix for prefix in prefixes if step_in_name(prefix) is not None), key=step_in_name, reverse=True
        )

    def best(self) -> Best | None:
        """Returns the best checkpoint, which `--keep_best` keeps; None if there is none.

        Raises:
            RunError: `best.json` is damaged.
        """
        path = self.path / BEST_FOLDER / BEST_FILE
        return json_files.read(path, Best, "move its folder away to keep a new best")

    def by_step(self, model_name: str = "*") -> dict[int, Path]:
        """Returns the prefixes of all checkpoints, the best one included, by their steps; the oldest comes first."""
        best = self.best()
        found = {best.step: self.path / BEST_FOLDER / best.name} if best else {}
        found |= {step_in_name(prefix): prefix for prefix in self.checkpoints(model_name)}
        return dict(sorted(found.items()))

    def named(self, which: str, model_name: str = "*") -> Path:
        """Returns the prefix of the checkpoint that `--checkpoint` names: "best", or a step.

        Raises:
            RunError: There is no such checkpoint; the message names those that exist.
        """
        best, steps = self.best(), self.by_step(model_name)
        if which == BEST:
            if best is None:
                raise RunError(f"{self.path} has no best checkpoint: --keep_best keeps one while training.")
            return self.path / BEST_FOLDER / best.name
        if int(which) not in steps:
            raise RunError(
                f"{self.path} has no checkpoint of step {which}; it has steps {', '.join(map(str, steps)) or 'none'}."
            )
        return steps[int(which)]

    def config(self) -> Config | None:
        """Reads the configuration that the run was last trained with; returns None if there is no `config.json`.

        Raises:
            RunError: The file is damaged.
        """
        path = self.path / CONFIG_FILE
        try:
            return Config.from_json(path.read_bytes(), str(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise RunError(f"cannot read {path}: {reason(error)}") from error

    def config_if_fits(self, given: Mapping[str, Any]) -> Config | None:
        """Returns the run's configuration if the given options agree with it; else None, also for a damaged file."""
        try:
            saved = self.config()
        except RunError:
            return None
        return saved if saved and not saved.contradictions(given) else None

    def config_with(self, saved: Config, given: Mapping[str, Any]) -> Config:
        """Returns the run's configuration with its options replaced by the given ones."""
        config = dataclasses.replace(saved, **{**given, "checkpoint_dir": str(self.path.parent), "run": ""})
        if config.model_dir != self.path.name:  # the folder was renamed, or the flags ask for another size
            config = dataclasses.replace(config, run=self.path.name)
        config.validate()
        return config

    def save_config(self, config: Config) -> None:
        """Makes the folder and writes its `config.json`.

        Raises:
            RunError: The file cannot be written.
        """
        make_folder(self.path)
        write_atomically(self.path / CONFIG_FILE, config.to_json().encode())


def runs_in(root: Path) -> list[RunFolder]:
    """Returns the runs in a folder of runs, sorted by name."""
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [run for run in map(RunFolder, folders) if run.exists]


def prefix_of(config: Config, step: int) -> Path:
    """Returns the prefix of the checkpoint that a run saves after `step` steps."""
    return config.run_checkpoint_dir / f"{config.model_name}.model-{step}"


def step_in_name(prefix: Path) -> int | None:
    """Returns the number at the end of a checkpoint's name; None if the name has no number."""
    match = re.search(r"-(\d+)$", prefix.name)
    return int(match[1]) if match else None


def find_prefix(path: Path) -> Path:
    """Returns the prefix of the checkpoint that a path means; the checkpoint may be of any program.

    Args:
        path: a prefix, one of a checkpoint's files, or a folder. A folder means the checkpoint that its state file
            names (by its base name, since folders get moved), or else the checkpoint of the highest step.

    Raises:
        RunError: There is no such checkpoint.
    """
    if path.is_dir():
        prefixes = [index.with_suffix("") for index in path.glob("*.index")]
        if not prefixes:
            raise RunError(f"{path} holds no checkpoint (no *.index file).")
        named = _named_by_state_file(path / STATE_FILE)
        newest = max(prefixes, key=lambda prefix: (step_in_name(prefix) or 0, prefix.name))
        return next((prefix for prefix in prefixes if prefix.name == named), newest)
    prefix = path.with_name(_PARTS.sub("", path.name))
    if Path(f"{prefix}.index").exists():
        return prefix
    if path.exists() or list(path.parent.glob(f"{prefix.name}.data-*")):
        raise RunError(f"{path} is no checkpoint: there is no {prefix.name}.index beside it.")
    raise RunError(f"There is no checkpoint {path}.")


def _named_by_state_file(path: Path) -> str | None:
    """Returns the base name of the checkpoint that a state file names; None, without a warning, for any other file."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    match = re.search(r'^model_checkpoint_path: *"(?:.*[/\\])?(.+)"', text, re.MULTILINE)
    return match and match[1]


def state_text(names: Sequence[str]) -> str:
    """Returns the text of a state file that names these checkpoints; the newest comes last."""
    lines = (f'model_checkpoint_path: "{names[-1]}"', *(f'all_model_checkpoint_paths: "{name}"' for name in names))
    return "".join(f"{line}\n" for line in lines)
