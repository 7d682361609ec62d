"""The guard against losses and gradients that are not finite: it stops a run before spoilt weights are saved."""

import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ugatit_tf.checkpoints.folder import RunFolder
from ugatit_tf.config import Config
from ugatit_tf.data import images
from ugatit_tf.data.pipeline import Batch
from ugatit_tf.errors import RunError
from ugatit_tf.runs.status import NETWORKS
from ugatit_tf.training.objective import GENERATOR_METRICS

_log = logging.getLogger(__name__)

SKIPPED = "skipped"  # the metric that is 1 if a step changed nothing
_MOST_PENDING = 1000  # steps whose metrics may wait on the device


class Guard:
    """Checks every step's metrics, but only when `check` is called, because reading them waits for the device.

    Args:
        config: the run's configuration.
        batch_at: makes again the batch that follows so many steps.
    """

    def __init__(self, config: Config, batch_at: Callable[[int], Batch]) -> None:
        self._config = config
        self._batch_at = batch_at
        self._pending: list[tuple[int, Mapping[str, tf.Tensor]]] = []
        self._skipped = 0

    def add(self, step: int, metrics: Mapping[str, tf.Tensor]) -> None:
        """Adds the metrics of one or several steps.

        Args:
            step: the number of steps before them.
            metrics: scalars of one step, or `[N]` of several.
        """
        self._pending.append((step, metrics))
        if len(self._pending) >= _MOST_PENDING:
            self.check()

    def check(self) -> None:
        """Checks the metrics that were added since the last call.

        Raises:
            RunError: A number of a step is not finite, and `skip_nonfinite` does not allow to skip the step. The
                message names the number, and the file that shows the step's batch.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        names = list(pending[0][1])
        columns = [tf.stack([tf.reshape(metrics[name], [-1]) for name in names]) for _, metrics in pending]  # [M, N]
        counts = [column.shape[1] for column in columns]
        steps = [step + i + 1 for (step, _), count in zip(pending, counts, strict=True) for i in range(count)]
        for step, row in zip(steps, tf.concat(columns, axis=1).numpy().T, strict=True):
            numbers = dict(zip(names, row, strict=True))
            if (step - 1) % self._config.n_critic:  # repeats the generators' numbers of an earlier step
                numbers = {name: value for name, value in numbers.items() if name not in GENERATOR_METRICS}
            skipped = numbers.pop(SKIPPED, 0.0) == 1.0
            culprits = _describe_nonfinite(numbers)
            if culprits:
                self._stop_or_skip(step, culprits, skipped=skipped)

    def check_variables(self, step: int, variables: Iterable[keras.Variable]) -> None:
        """Checks the values that are about to be saved, because an update by finite gradients can still overflow.

        Raises:
            RunError: A value is not finite.
        """
        for variable in variables:
            if variable.value.dtype.is_floating:
                try:
                    tf.debugging.check_numerics(variable.value, "")  # takes no memory, as `is_finite` would
                except tf.errors.InvalidArgumentError:
                    raise self._error(step, f"{variable.path} is not finite after it") from None

    def _stop_or_skip(self, step: int, culprits: list[str], *, skipped: bool) -> None:
        what = culprits[0] + (f"; nor are {len(culprits) - 1} other numbers" if culprits[1:] else "")
        if not skipped:
            raise self._error(step, what)
        self._skipped += 1
        most = self._config.skip_nonfinite
        if self._skipped > most:
            raise self._error(step, f"{what}; --skip_nonfinite allows for {most} such steps")
        _log.info("Skipped step %s, %s of at most %s: %s.", step, self._skipped, most, what)

    def _error(self, step: int, what: str) -> RunError:
        earlier = RunFolder(self._config.run_checkpoint_dir).checkpoints(self._config.model_name)
        kept = f"{earlier[0]} is the last good checkpoint" if earlier else "no checkpoint has been saved yet"
        return RunError(
            f"Step {step}: {what}. Stopped without saving: {kept}. {self._save_batch(step)} "
            "Try a lower --lr, or leave such steps out with --skip_nonfinite."
        )

    def _save_batch(self, step: int) -> str:
        """Writes a step's batch as a picture, A on the left and B on the right; returns a sentence that names it."""
        path = Path(self._config.sample_dir) / self._config.model_dir / f"not_finite_{step}.png"
        try:
            domains = [np.vstack(images.to_uint8(np.array(domain))) for domain in self._batch_at(step - 1)]
            images.save_png(path, np.hstack(domains))
        except RunError as error:
            return f"Its pictures could not be kept: {error}."
        return f"Its pictures: {path}."


def _describe_nonfinite(numbers: Mapping[str, float]) -> list[str]:
    """Returns a text for each number that is not finite; the likely cause of the others comes first."""

    def order(name: str) -> tuple[int, bool]:
        network, _, term = name.partition("/")
        # Discriminators are updated first, a gradient follows from its network's loss, and sums come last.
        return (NETWORKS.index(network) // 2 if network in NETWORKS else len(NETWORKS), term == "gradient_norm")

    def in_words(name: str) -> str:
        network, _, term = name.partition("/")
        if network not in NETWORKS:
            return name
        return f"the gradient norm of {network}" if term == "gradient_norm" else f"the {term} loss of {network}"

    bad = sorted((name for name, value in numbers.items() if not np.isfinite(value)), key=order)
    return [f"{in_words(name)} is not finite ({numbers[name]})" for name in bad]
