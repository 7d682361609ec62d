"""UGATIT as a Keras model among others: what `fit`, `evaluate`, `predict`, `export` and callbacks expect of one.

A step of the paper needs two optimizers and reports some thirty numbers; Keras knows one optimizer, and its progress
line shows every number. This file reconciles the two: the learning rate of `optimizer` is that of both optimizers, and
the progress line shows the numbers that people read, while `History` and callbacks get all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.training.objective import Metrics

_SHOWN = ("d_loss", "g_loss", "learning_rate", "loss")
_RATE_CALLBACKS = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)


class _Means:
    """Means over batches, by name. Keras does not track this class, so no checkpoint holds them."""

    def __init__(self) -> None:
        self.by_name: dict[str, keras.metrics.Mean] = {}

    def of(self, name: str) -> keras.metrics.Mean:
        """Returns a mean, which is made at its first use, outside of any graph."""
        if name not in self.by_name:
            with tf.init_scope():
                self.by_name[name] = keras.metrics.Mean(name=name)
        return self.by_name[name]


class _Progress(keras.callbacks.ProgbarLogger):
    """Keras' progress line with the numbers that people read."""

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, _readable(logs))

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_test_batch_end(batch, _readable(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, _readable(logs))

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        super().on_test_end(_readable(logs))


def _readable(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (logs or {}).items() if name.removeprefix("val_") in _SHOWN}


class Evaluated(keras.Model):
    """A model whose data are pairs of batches (A, B), float `[B, H, W, C]` in [-1, 1].

    UGATIT, its subclass, has the methods `sampler`, `translate` and `generator_losses`, which this class calls.
    """

    config: Config
    has_schedule = False  # whether the learning rate follows the step, and not `optimizer.learning_rate`

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._means = _Means()

    def compile(self, **kwargs: Any) -> None:
        """Compiles, and refuses arguments that would have no effect.

        Raises:
            TypeError: An optimizer, a loss or metrics are given.
        """
        refused = sorted({"loss", "metrics", "optimizer"} & kwargs.keys())
        if refused:
            raise TypeError(f"UGATIT has its own optimizers, losses and metrics: leave out {', '.join(refused)}.")
        super().compile(**kwargs)

    def fit(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does, with a progress line of the losses and the learning rate.

        Callbacks with a monitor need no `mode`: every number that they can watch here is better if it is lower.

        Raises:
            TypeError: A callback sets the learning rate, but `compile` was given a schedule, which sets it too.
        """
        callbacks = _with_progress(callbacks)
        for callback in callbacks if isinstance(callbacks, list) else ():
            if getattr(callback, "mode", "") == "auto":
                callback.mode = "min"
            if self.has_schedule and isinstance(callback, _RATE_CALLBACKS):
                raise TypeError(
                    f"{type(callback).__name__} and the schedule of `compile` both set the learning rate: give a "
                    "number, compile(learning_rate=1e-4), to let the callback set it."
                )
        return super().fit(*args, callbacks=callbacks, **kwargs)

    def evaluate(self, *args: Any, callbacks: Any = None, **kwargs: Any) -> Any:
        """Computes the means of the generators' losses as `keras.Model.evaluate` does."""
        return super().evaluate(*args, callbacks=_with_progress(callbacks), **kwargs)

    def export(self, filepath: str, *args: Any, input_signature: Any = None, **kwargs: Any) -> None:
        """Exports both translations, (A, B) to (B, A), as `keras.Model.export` does; see there for the arguments."""
        if input_signature is None:
            side, channels = self.config.img_size, self.config.img_ch
            domains = (keras.InputSpec(dtype="float32", shape=(None, side, side, channels), name=name) for name in "AB")
            input_signature = [tuple(domains)]
        super().export(filepath, *args, input_signature=input_signature, **kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The means, which Keras resets before each epoch and each evaluation."""
        return super().metrics + list(self._means.by_name.values())

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Translates (A, B), `[B, H, W, C]` in [-1, 1] each, into (B, A)."""
        real_a, real_b = inputs
        return self.sampler("B")(real_a).image, self.sampler("A")(real_b).image

    def test_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> Metrics:
        """Computes the generators' losses without changing a weight.

        Returns:
            Scalars, means over the images of the evaluation so far: those of `generator_losses`, and `loss`, which is
            `g_loss`, so that callbacks find `val_loss`.
        """
        real_a, real_b = self.images(pair(data))
        _, values = self.generator_losses(real_a, real_b, self.translate(real_a, real_b))
        values |= {"loss": values["g_loss"]}
        for name, value in values.items():
            self._means.of(name).update_state(value, sample_weight=tf.cast(tf.shape(real_a)[0], tf.float32))
        return {name: self._means.of(name).result() for name in values}

    def predict_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Translates (A, B) into (B, A)."""
        return self(self.images(pair(data)))

    def images(self, data: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        """Returns both batches as Keras' floatx; unknown sides become those of the config, unknown channels too.

        Raises:
            ValueError: Images are integers, or have another rank or number of channels.
        """
        side, channels = self.config.img_size, self.config.img_ch
        batches = []
        for name, batch in zip("AB", map(tf.convert_to_tensor, data), strict=True):
            if not batch.dtype.is_floating:
                advice = "scale them to floats in [-1, 1], as images / 127.5 - 1"
                raise ValueError(f"The images of {name} are {batch.dtype.name}: {advice}.")
            shape = batch.shape
            if shape.rank not in (None, 4) or (shape.rank == 4 and shape[3] not in (None, channels)):
                raise ValueError(f"The images of {name} have shape {shape}: it must be [B, H, W, {channels}].")
            is_known = shape.rank == 4 and None not in shape[1:]
            known = batch if is_known else tf.ensure_shape(batch, (None, side, side, channels))
            batches.append(tf.cast(known, keras.config.floatx()))
        return tuple(batches)


def _with_progress(callbacks: Any) -> Any:
    """Returns callbacks with our progress line; a `CallbackList` stays as it is."""
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return callbacks
    others = [] if callbacks is None else list(callbacks) if isinstance(callbacks, Sequence) else [callbacks]
    has_own = any(isinstance(callback, keras.callbacks.ProgbarLogger) for callback in others)
    return others if has_own else [*others, _Progress()]


def pair(data: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns (A, B); Keras wraps arrays in a tuple of one, or adds a None for the weights of samples.

    Raises:
        ValueError: The data are no pair.
    """
    parts = [part for part in data if part is not None] if isinstance(data, (tuple, list)) else [data]
    if len(parts) == 1 and isinstance(parts[0], (tuple, list)):
        parts = list(parts[0])
    if len(parts) != 2:
        raise ValueError("UGATIT needs pairs of batches (A, B): give a dataset of such pairs, or both arrays.")
    return parts[0], parts[1]
