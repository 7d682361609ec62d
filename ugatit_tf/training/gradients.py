"""The update of networks from a loss: gradients, their norms, the guard against NaN, and Adam.

The kernels of `LargeDense` layers get factored gradients, which never lie in memory as a whole. `Update.recording`
records the calls of these layers. `Update.apply` differentiates by the outputs of the calls instead of by the kernel,
and keeps the inputs and the gradients of the outputs as the two factors. Norm, mean over replicas and Adam all work on
the factors (`optimizer.FactoredGradient`; `ops.large_dense` gives the measurements).
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import tensorflow as tf

from ugatit_tf.ops import DenseCall, recorded_calls
from ugatit_tf.training import replicas
from ugatit_tf.training.losses import L2_WEIGHT, is_regularized
from ugatit_tf.training.optimizer import FactoredGradient, FusedAdam, Gradient


class Recording(NamedTuple):
    """The record of a forward pass, from which `Update.apply` computes gradients.

    Attributes:
        tape: records all operations on the trained variables.
        calls: the calls of `LargeDense` layers.
    """

    tape: tf.GradientTape
    calls: list[DenseCall]


class LossScale:
    """The loss scale of float16, a factor that keeps small gradients from becoming 0.

    It is halved when gradients overflow, and doubled after 2000 good steps.

    Args:
        optimizer: the optimizer that holds the factor as a variable, so that checkpoints contain it.
    """

    INITIAL, PATIENCE = 2.0**15, 2000
    NAMES = ("loss_scale", "good_steps")

    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        initializer = keras.initializers.Constant(self.INITIAL)
        self.factor = optimizer.add_variable((), initializer, name=self.NAMES[0])
        self.good_steps = optimizer.add_variable((), dtype="int64", name=self.NAMES[1])

    def observe(self, finite: tf.Tensor) -> None:
        """Adapts the factor after a step.

        Args:
            finite: whether all gradients were finite; a boolean scalar.
        """
        good_steps = tf.where(finite, self.good_steps.value + 1, 0)
        ready = good_steps == self.PATIENCE
        larger = self.factor.value * tf.where(ready, 2.0, 1.0)
        self.factor.assign(tf.where(finite, larger, tf.maximum(self.factor.value / 2.0, 1.0)))
        self.good_steps.assign(tf.where(ready, tf.zeros_like(good_steps), good_steps))


class Update:
    """The update of networks that share an optimizer.

    Args:
        name: name of the optimizer.
        networks: maps each network's name to its trainable variables.
        guarded: whether to skip an update if the loss or a gradient is not finite.
        scaled: whether to scale the loss for float16; implies `guarded`.

    Attributes:
        optimizer: Adam over all variables of the networks.
    """

    def __init__(
        self, name: str, networks: Mapping[str, list[keras.Variable]], *, guarded: bool = False, scaled: bool = False
    ) -> None:
        self._networks = dict(networks)
        self._trained = [variable for variables in networks.values() for variable in variables]
        self._guarded = guarded or scaled
        self.optimizer = FusedAdam(beta_1=0.5, beta_2=0.999, epsilon=1e-8, name=name)
        self.optimizer.build(self._trained)
        self._scale = LossScale(self.optimizer) if scaled else None

    @contextlib.contextmanager
    def recording(self) -> Iterator[Recording]:
        """Yields the record of the operations inside the block, in which the caller computes the loss."""
        with recorded_calls() as calls, tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self._trained])
            yield Recording(tape, calls)

    def apply(self, recording: Recording, loss: tf.Tensor) -> dict[str, tf.Tensor]:
        """Updates the networks by the gradients of a recorded loss and of the L2 regularization.

        L2 regularization is added here and must not be part of the loss. With several replicas, the update is by the
        mean of their gradients.

        Args:
            recording: the record of the loss.
            loss: a scalar.

        Returns:
            `NETWORK/gradient_norm` for each network, the Euclidean norm of its gradients without L2 regularization;
            and `skipped`, 1.0 if nothing was updated because the loss or a gradient was not finite. If only the loss
            scale was too large, nothing is updated either, but `skipped` and the norms are 0.
        """
        loss, gradients = _averaged(loss, self._gradients(recording, loss))
        squares = {
            name: 2.0 * tf.add_n([_half_squared_norm(gradients[variable.path]) for variable in variables])
            for name, variables in self._networks.items()
        }
        skipped = tf.constant(False)
        if self._guarded:
            finite = tf.math.is_finite(loss + tf.add_n(list(squares.values())))
            skipped = ~finite
            if self._scale:
                overflow = skipped & tf.math.is_finite(loss) & (self._scale.factor.value > 1.0)
                squares = {name: tf.where(overflow, 0.0, square) for name, square in squares.items()}
                skipped &= ~overflow
                self._scale.observe(finite)
            tf.cond(finite, lambda: self._descend(gradients), tf.no_op)
        else:
            self._descend(gradients)
        norms = {f"{name}/gradient_norm": tf.sqrt(square) for name, square in squares.items()}
        return norms | {"skipped": tf.cast(skipped, loss.dtype)}

    def _gradients(self, recording: Recording, loss: tf.Tensor) -> dict[str, Gradient]:
        """Computes the gradients of the loss, by path of their variable."""
        calls = recording.calls
        factored = {call.kernel.path for call in calls}
        variables = [variable for variable in self._trained if variable.path not in factored]
        sources = [variable.value for variable in variables] + [call.outputs for call in calls]
        factor = self._scale.factor.value if self._scale else None
        results = recording.tape.gradient(loss, sources, output_gradients=factor)
        if self._scale:
            results = [result / factor for result in results]
        gradients: dict[str, Gradient] = dict(zip((v.path for v in variables), results, strict=False))
        for path in factored:
            pairs = [
                (call.inputs, upstream)
                for call, upstream in zip(calls, results[len(variables) :], strict=True)
                if call.kernel.path == path
            ]
            gradients[path] = FactoredGradient(*(tf.concat(rows, 0) for rows in zip(*pairs, strict=True)))
        return gradients

    def _descend(self, gradients: Mapping[str, Gradient]) -> tf.Operation:
        decays = [L2_WEIGHT if is_regularized(variable) else 0.0 for variable in self._trained]
        self.optimizer.apply([gradients[v.path] for v in self._trained], self._trained, decays)
        return tf.no_op()


def _averaged(loss: tf.Tensor, gradients: Mapping[str, Gradient]) -> tuple[tf.Tensor, dict[str, Gradient]]:
    """Averages losses and gradients over the replicas.

    Of factored gradients, the rows of all replicas are gathered. Their product is the mean, but is never computed here.
    """
    if replicas.count() == 1:
        return loss, dict(gradients)
    factored = {path: gradient for path, gradient in gradients.items() if isinstance(gradient, FactoredGradient)}
    whole = {path: gradient for path, gradient in gradients.items() if path not in factored}
    loss, whole = replicas.mean((loss, whole))
    for path, (inputs, upstream) in factored.items():
        factored[path] = FactoredGradient(replicas.gather(inputs), replicas.gather(upstream / replicas.count()))
    return loss, whole | factored


def _half_squared_norm(gradient: Gradient) -> tf.Tensor:
    return gradient.half_squared_norm() if isinstance(gradient, FactoredGradient) else tf.nn.l2_loss(gradient)
