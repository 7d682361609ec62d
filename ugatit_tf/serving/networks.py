"""Loads the generators of any checkpoint of a run, when a request needs them."""

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

_KEPT = 2  # generators in memory: both directions of a checkpoint


class Networks:
    """The generators of a run. Only one thread at a time may use them.

    Args:
        config: the training configuration, with `img_size` replaced by the current flag.
        folder: the folder of the run.

    Attributes:
        config: the argument.
    """

    def __init__(self, config: Config, folder: RunFolder) -> None:
        self.config = config
        self._folder = folder
        self._translator = functools.lru_cache(maxsize=_KEPT)(self._load)

    @property
    def names(self) -> list[str]:
        """The names of the current checkpoints, including the best, the newest first. A training may change them."""
        return [self._name(prefix) for prefix in reversed(self._folder.by_step(self.config.model_name).values())]

    def find(self, which: str) -> str:
        """Returns the name of the checkpoint that `which` means: a full name, "newest", "best" or a step.

        Raises:
            RunError: There is no such checkpoint. The message names the existing ones.
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
        """Returns all outputs of a generator.

        Args:
            name: the name of a checkpoint, as `find` returns it.
            direction: "A2B" or "B2A".
            pictures: uint8 `[B, size, size, channels]`, as `data.images.load` returns them.

        Raises:
            RunError: The checkpoint is damaged, or was deleted meanwhile.
        """
        # The stamp is part of the cache's key, because a new training writes other weights under the same name.
        path = self._folder.path / f"{name}.index"
        return self._translator(name, direction, tuple(stamp(path) or ())).translate(pictures)

    def _load(self, name: str, direction: str, _: tuple[int, ...]) -> Translator:
        checkpoint = Checkpoint(self._folder.path / name, self.config)
        checkpoint.verify([direction])
        return Translator.of(checkpoint, direction)
