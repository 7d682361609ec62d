"""A run's folder of checkpoints: what it holds, by file names alone. Needs no TensorFlow."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ugatit_tf.config import CONFIG_FILE, Config
from ugatit_tf.errors import RunError
from ugatit_tf.options import BEST
from ugatit_tf.system.files import make_folder, write_atomically

STATUS_FILE = "status.json"
BEST_FOLDER = "best"  # in a run's folder: the best checkpoint, safe from rotation
BEST_FILE = "best.json"  # in that one
STATE_FILE = "checkpoint"  # TensorFlow's list of the checkpoints

_PARTS = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


class Best(NamedTuple):
    """What is known of a run's best checkpoint.

    Attributes:
        name: of the checkpoint, in the folder `best`.
        step: of it.
        metric: the score that it is the best by.
        value: that score, the mean of both directions.
        high: the upper end of its 95% interval; None where that is not known.
    """

    name: str
    step: int
    metric: str
    value: float
    high: float | None


class RunFolder:
    """The folder of a run.

    Attributes:
        path: of the folder; it need not be there.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def exists(self) -> bool:
        """Whether anything of a run is there."""
        return any((self.path / name).is_file() for name in (CONFIG_FILE, STATUS_FILE)) or bool(self.checkpoints())

    def checkpoints(self, model_name: str = "*") -> list[Path]:
        """The prefixes of the checkpoints, damaged ones too, the newest first by the step in their names.

        The folder is looked at, not its state file: that one may be damaged, and names places that a moved folder has
        left.

        Args:
            model_name: "UGATIT" or "UGATIT_light"; "*": either.
        """
        prefixes = [path.with_suffix("") for path in self.path.glob(f"{model_name}.model-*.index")]
        return sorted(
            (prefix for prefix in prefixes if step_in_name(prefix) is not None), key=step_in_name, reverse=True
        )

    def best(self) -> Best | None:
        """The best checkpoint, which `--keep_best` keeps; None where there is none.

        Raises:
            RunError: where what is known of it is damaged.
        """
        path = self.path / BEST_FOLDER / BEST_FILE
        try:
            return Best(**json.loads(path.read_bytes()))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"{path} is damaged ({error}): move the folder away to let another best be kept.") from error

    def by_step(self, model_name: str = "*") -> dict[int, Path]:
        """The prefixes of all checkpoints, the best one among them, by their steps, the oldest first."""
        best = self.best()
        found = {best.step: self.path / BEST_FOLDER / best.name} if best else {}
        found |= {step_in_name(prefix): prefix for prefix in self.checkpoints(model_name)}
        return dict(sorted(found.items()))

    def named(self, which: str, model_name: str = "*") -> Path:
        """The prefix of the checkpoint that `--checkpoint` names: "best", or a step.

        Raises:
            RunError: where there is no such checkpoint, naming those that there are.
        """
        best, steps = self.best(), self.by_step(model_name)
        if which == BEST:
            if best is None:
                raise RunError(f"{self.path} has no best checkpoint: --keep_best keeps one while training.")
            return self.path / BEST_FOLDER / best.name
        if int(which) not in steps:
            raise RunError(
                f"{self.path} has no checkpoint of step {which}, but of {', '.join(map(str, steps)) or 'none'}."
            )
        return steps[int(which)]

    def config(self) -> Config | None:
        """What the run was last trained with; None where nothing tells.

        Raises:
            RunError: where the file is damaged.
        """
        path = self.path / CONFIG_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"cannot read {path}: {error}") from error
        return Config.from_json(text, str(path))

    def config_if_fits(self, given: Mapping[str, Any]) -> Config | None:
        """The same, where options agree with it; None also where the file is damaged."""
        try:
            saved = self.config()
        except RunError:
            return None
        return saved if saved and not saved.contradictions(given) else None

    def config_with(self, saved: Config, given: Mapping[str, Any]) -> Config:
        """The run's configuration, with options that are given in place of what it was trained with."""
        config = dataclasses.replace(saved, **{**given, "checkpoint_dir": str(self.path.parent), "run": ""})
        if config.model_dir != self.path.name:  # it was renamed, or is tested at another size
            config = dataclasses.replace(config, run=self.path.name)
        config.validate()
        return config

    def save_config(self, config: Config) -> None:
        """Writes what the run is trained with, making the folder.

        Raises:
            RunError: where it cannot be written.
        """
        make_folder(self.path)
        write_atomically(self.path / CONFIG_FILE, config.to_json().encode())


def runs_in(root: Path) -> list[RunFolder]:
    """The runs in a folder of runs, by name."""
    folders = sorted(root.iterdir()) if root.is_dir() else []
    return [run for run in map(RunFolder, folders) if run.exists]


def prefix_of(config: Config, step: int) -> Path:
    """Where the checkpoint of a run's step is."""
    return config.run_checkpoint_dir / f"{config.model_name}.model-{step}"


def step_in_name(prefix: Path) -> int | None:
    """The number at the end of a checkpoint's name, or None where there is none."""
    match = re.search(r"-(\d+)$", prefix.name)
    return int(match[1]) if match else None


def find_prefix(path: Path) -> Path:
    """The prefix of the checkpoint that a path stands for, of any program.

    Args:
        path: a prefix, one of a checkpoint's files, or a folder. In a folder it is the checkpoint that the state file
            names, of which only the base name counts, as folders get moved; else that of the highest step.

    Raises:
        RunError: where there is none.
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
    """The base name of what a state file names, or None; a strange file is no reason to stop, or for a warning."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    match = re.search(r'^model_checkpoint_path: *"(?:.*[/\\])?(.+)"', text, re.MULTILINE)
    return match and match[1]


def state_text(names: Sequence[str]) -> str:
    """The text of the state file of a folder with checkpoints of these names, the newest last."""
    lines = (f'model_checkpoint_path: "{names[-1]}"', *(f'all_model_checkpoint_paths: "{name}"' for name in names))
    return "".join(f"{line}\n" for line in lines)
