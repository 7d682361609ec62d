"""Guard against losses and gradients that are not finite: stops a run before it saves the weights they spoil."""

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
from ugatit_tf.training.metrics import GENERATOR_METRICS

SKIPPED = "skipped"  # the metric that is 1 where a step has changed nothing
_MOST_PENDING = 1000  # steps, as their metrics stay on the device


class Guard:
    """Looks at every step's metrics, but only when it is asked: reading them waits for the device.

    Args:
        config: of the run.
        say: prints a line.
        batch_at: makes the batch once more that comes after so many steps.
    """

    def __init__(self, config: Config, say: Callable[[str], None], batch_at: Callable[[int], Batch]) -> None:
        self._config = config
        self._say = say
        self._batch_at = batch_at
        self._pending: list[tuple[int, Mapping[str, tf.Tensor]]] = []
        self._skipped = 0

    def add(self, step: int, metrics: Mapping[str, tf.Tensor]) -> None:
        """Takes in the metrics of steps.

        Args:
            step: those that were taken before.
            metrics: scalars of one step, or `[N]` of several.
        """
        self._pending.append((step, metrics))
        if len(self._pending) >= _MOST_PENDING:
            self.check()

    def check(self) -> None:
        """Looks at what has been taken in.

        Raises:
            RunError: where a number of a step is not finite, unless the step was skipped and may be: says which, and
                where the batch is to be seen.
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
            culprits = _culprits(numbers)
            if culprits:
                self._decide(step, culprits, skipped=skipped)

    def check_variables(self, step: int, variables: Iterable[keras.Variable]) -> None:
        """Looks at what is about to be saved: an update of finite size can still lead too far.

        Raises:
            RunError: where a value is not finite.
        """
        for variable in variables:
            if variable.value.dtype.is_floating:
                try:
                    tf.debugging.check_numerics(variable.value, "")  # takes no memory, as `is_finite` would
                except tf.errors.InvalidArgumentError:
                    raise self._stop(step, f"{variable.path} is not finite after it") from None

    def _decide(self, step: int, culprits: list[str], *, skipped: bool) -> None:
        what = culprits[0] + (f"; nor are {len(culprits) - 1} other numbers" if culprits[1:] else "")
        if not skipped:
            raise self._stop(step, what)
        self._skipped += 1
        most = self._config.skip_nonfinite
        if self._skipped > most:
            raise self._stop(step, f"{what}; --skip_nonfinite allows for {most} such steps")
        self._say(f"Skipped step {step}, {self._skipped} of at most {most}: {what}.")

    def _stop(self, step: int, what: str) -> RunError:
        earlier = RunFolder(self._config.run_checkpoint_dir).checkpoints(self._config.model_name)
        kept = f"{earlier[0]} is the last good checkpoint" if earlier else "no checkpoint has been saved yet"
        return RunError(
            f"Step {step}: {what}. Stopped without saving: {kept}. {self._show_batch(step)} "
            "Try a lower --lr, or leave such steps out with --skip_nonfinite."
        )

    def _show_batch(self, step: int) -> str:
        """Writes the batch as a picture, A on the left and B on the right; returns where, as a sentence."""
        path = Path(self._config.sample_dir) / self._config.model_dir / f"not_finite_{step}.png"
        try:
            domains = [np.vstack(images.to_uint8(np.array(domain))) for domain in self._batch_at(step - 1)]
            images.save_png(path, np.hstack(domains))
        except RunError as error:
            return f"Its pictures could not be kept: {error}."
        return f"Its pictures: {path}."


def _culprits(numbers: Mapping[str, float]) -> list[str]:
    """What is not finite, in words; where it began, as far as can be told, comes first."""

    def order(name: str) -> tuple[int, bool]:
        network, _, term = name.partition("/")
        # Sums over networks come last; a network's gradient follows from its loss.
        return (NETWORKS.index(network) // 2 if network in NETWORKS else len(NETWORKS), term == "gradient_norm")

    bad = sorted((name for name, value in numbers.items() if not np.isfinite(value)), key=order)
    return [f"{_in_words(name)} is not finite ({numbers[name]})" for name in bad]


def _in_words(name: str) -> str:
    network, _, term = name.partition("/")
    if network not in NETWORKS:
        return name
    return f"the gradient norm of {network}" if term == "gradient_norm" else f"the {term} loss of {network}"
