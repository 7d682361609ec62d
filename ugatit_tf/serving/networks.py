"""The generators of a run, of any of its checkpoints: loaded when they are asked for."""

import functools

import numpy as np

from ugatit_tf.checkpoints.checkpoint import Checkpoint
from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.errors import UsageError
from ugatit_tf.inference import Translator
from ugatit_tf.networks.generator import Translation

_KEPT = 2  # in memory: both directions of a checkpoint


class Networks:
    """What one thread at a time may translate with.

    Args:
        checkpoint: any checkpoint of the run.

    Attributes:
        config: what the run was trained with; `img_size` as it is asked for now.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.config = checkpoint.config
        self._folder = RunFolder(checkpoint.prefix.parent)
        self._translator = functools.lru_cache(maxsize=_KEPT)(self._load)

    @property
    def names(self) -> list[str]:
        """The checkpoints that are there now, the newest first: a training may go on."""
        return [prefix.name for prefix in self._folder.checkpoints(self.config.model_name)]

    def find(self, checkpoint: str) -> str:
        """The name of a checkpoint that is named in full, or by its step; "": of the newest.

        Raises:
            UsageError: where there is none, naming those that there are.
        """
        names = self.names
        for name in names:
            if checkpoint in ("", name, name.rpartition("-")[2]):
                return name
        raise UsageError(f"There is no checkpoint {checkpoint}, but {', '.join(names) or 'none at all'}.")

    def translate(self, name: str, direction: str, pictures: np.ndarray) -> Translation:
        """All that the generator gives for uint8 `[B, size, size, channels]`.

        Args:
            name: by `find`.
            direction: "A2B" or "B2A".
            pictures: as they come out of `data.images.load`.

        Raises:
            RunError: where the checkpoint is damaged, or gone meanwhile.
        """
        return self._translator(name, direction).translate(pictures)

    def _load(self, name: str, direction: str) -> Translator:
        checkpoint = Checkpoint(self._folder.path / name, self.config)
        checkpoint.verify([direction])
        return Translator.of(checkpoint, direction)
