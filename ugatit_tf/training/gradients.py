"""Gradients and the optimizer update: their norms, and Adam where everything is finite."""

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
    """What the gradients of a loss are derived from: a tape, and the calls of large Dense layers."""

    tape: tf.GradientTape
    calls: list[DenseCall]


class LossScale:
    """The factor that keeps float16's gradients off zero: halved where they overflow, doubled after 2000 good steps.

    Args:
        optimizer: gets the factor among its variables, and so into its checkpoints.
    """

    INITIAL, PATIENCE = 2.0**15, 2000
    NAMES = ("loss_scale", "good_steps")

    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        initializer = keras.initializers.Constant(self.INITIAL)
        self.factor = optimizer.add_variable((), initializer, name=self.NAMES[0])
        self.good_steps = optimizer.add_variable((), dtype="int64", name=self.NAMES[1])

    def observe(self, finite: tf.Tensor) -> None:
        """Adapts the factor to whether the gradients were finite."""
        good_steps = tf.where(finite, self.good_steps.value + 1, 0)
        ready = good_steps == self.PATIENCE
        larger = self.factor.value * tf.where(ready, 2.0, 1.0)
        self.factor.assign(tf.where(finite, larger, tf.maximum(self.factor.value / 2.0, 1.0)))
        self.good_steps.assign(tf.where(ready, tf.zeros_like(good_steps), good_steps))


class Update:
    """The update of some networks by one optimizer.

    Args:
        name: of the optimizer.
        networks: the name of each network to its trainable variables.
        guarded: whether to leave everything as it is where the loss or a gradient is not finite.
        scaled: whether to scale the loss for float16; implies `guarded`.
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
        """Records what the loss is made of."""
        with recorded_calls() as calls, tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([variable.value for variable in self._trained])
            yield Recording(tape, calls)

    def apply(self, recording: Recording, loss: tf.Tensor) -> dict[str, tf.Tensor]:
        """Updates the networks by the gradient of a recorded loss and of the L2 regularisation, which is added here.

        With several replicas, by the mean of their gradients.

        Returns:
            `NETWORK/gradient_norm` for each network, the Euclidean norm of all its gradients without L2's; and
            `skipped`, 1.0 where nothing was updated as something was not finite. Where only the factor of float16's
            loss scale was too large, nothing is updated either, but `skipped` and the norms are 0.
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
        """The gradients by the variables' paths."""
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
    """The means of the replicas' losses and gradients; of factors, the rows of all, never their product."""
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
