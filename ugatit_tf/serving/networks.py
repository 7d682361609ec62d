"""The generators of a run, of any of its checkpoints: loaded when they are asked for."""

import functools
from pathlib import Path

import numpy as np

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.errors import RunError
from ugatit_tf.inference import Translator
from ugatit_tf.networks.generator import Translation
from ugatit_tf.options import BEST, NEWEST
from ugatit_tf.system.files import stamp

_KEPT = 2  # in memory: both directions of a checkpoint


class Networks:
    """What one thread at a time may translate with.

    Args:
        config: what the run was trained with; `img_size` as it is asked for now.
        folder: of the run.

    Attributes:
        config: as given.
    """

    def __init__(self, config: Config, folder: RunFolder) -> None:
        self.config = config
        self._folder = folder
        self._translator = functools.lru_cache(maxsize=_KEPT)(self._load)

    @property
    def names(self) -> list[str]:
        """The checkpoints that are there now, the newest first, the best among them: a training may go on."""
        return [self._name(prefix) for prefix in reversed(self._folder.by_step(self.config.model_name).values())]

    def find(self, which: str) -> str:
        """The name of a checkpoint, which is named in full, or as `--checkpoint` does: "newest", "best" or a step.

        Raises:
            RunError: where there is none, naming those that there are.
        """
        names = self.names
        if which in names:
            return which
        if which == NEWEST and names:
            return names[0]
        if which == BEST or which.isdecimal():
            return self._name(self._folder.named(which, self.config.model_name))
        raise RunError(f"There is no checkpoint {which}, but {', '.join(names) or 'none at all'}.")

    def _name(self, prefix: Path) -> str:
        return prefix.relative_to(self._folder.path).as_posix()

    def translate(self, name: str, direction: str, pictures: np.ndarray) -> Translation:
        """All that the generator gives for uint8 `[B, size, size, channels]`.

        Args:
            name: by `find`.
            direction: "A2B" or "B2A".
            pictures: as they come out of `data.images.load`.

        Raises:
            RunError: where the checkpoint is damaged, or gone meanwhile.
        """
        # A training that begins anew writes other weights under the same name.
        path = self._folder.path / f"{name}.index"
        return self._translator(name, direction, tuple(stamp(path) or ())).translate(pictures)

    def _load(self, name: str, direction: str, _: tuple[int, ...]) -> Translator:
        checkpoint = Checkpoint(self._folder.path / name, self.config)
        checkpoint.verify([direction])
        return Translator.of(checkpoint, direction)
