"""What Keras' `evaluate`, `predict`, `test_on_batch` and `validation_data` compute with the whole network."""

from typing import TYPE_CHECKING, Any, Protocol

import keras
import tensorflow as tf

from ugatit_tf.training.metrics import Metrics

if TYPE_CHECKING:
    from ugatit_tf.training.networks import Translations


class _Means:
    """Means over batches. Keras does not see them as attributes of the model, so no checkpoint holds them."""

    def __init__(self) -> None:
        self.by_name: dict[str, keras.metrics.Mean] = {}


class _Losses(Protocol):
    """The methods of UGATIT that the evaluation uses."""

    def translate(self, real_a: tf.Tensor, real_b: tf.Tensor) -> "Translations": ...

    def generator_losses(
        self, real_a: tf.Tensor, real_b: tf.Tensor, translations: "Translations"
    ) -> tuple[tf.Tensor, Metrics]: ...


class Evaluated(keras.Model):
    """A model whose data are pairs of batches (A, B), float `[B, H, W, C]` in [-1, 1]."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._means = _Means()

    def compile(self, **kwargs: Any) -> None:
        """Compile, and refuse what would have no effect.

        Raises:
            TypeError: for an optimizer, a loss or metrics.
        """
        refused = sorted({"loss", "metrics", "optimizer"} & kwargs.keys())
        if refused:
            raise TypeError(f"UGATIT has its own optimizers, losses and metrics: leave out {', '.join(refused)}.")
        super().compile(**kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Keras resets these before each evaluation."""
        return super().metrics + list(self._means.by_name.values())

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Translates (A, B), `[B, H, W, C]` in [-1, 1] each, into (B, A)."""
        real_a, real_b = inputs
        return self.sampler("B")(real_a).image, self.sampler("A")(real_b).image

    def test_step(self: _Losses, data: tuple[tf.Tensor, tf.Tensor]) -> Metrics:
        """Compute the generators' losses without changing a weight.

        Returns:
            Scalars, means over the images of the evaluation so far: those of `generator_losses`, and `loss`, which is
            `g_loss`, so that callbacks find `val_loss`.
        """
        real_a, real_b = pair(data)
        _, values = self.generator_losses(real_a, real_b, self.translate(real_a, real_b))
        values |= {"loss": values["g_loss"]}
        means = self._means.by_name
        for name, value in values.items():
            if name not in means:
                with tf.init_scope():
                    means[name] = keras.metrics.Mean(name=name.replace("/", "_"))
            means[name].update_state(value, sample_weight=tf.cast(tf.shape(real_a)[0], tf.float32))
        return {name: means[name].result() for name in values}

    def predict_step(self, data: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Translate (A, B) into (B, A)."""
        return self(pair(data))


def pair(data: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Return (A, B); Keras wraps arrays in a tuple of one, or adds a None for the weights of samples."""
    parts = [part for part in data if part is not None] if isinstance(data, (tuple, list)) else [data]
    if len(parts) == 1 and isinstance(parts[0], (tuple, list)):
        parts = list(parts[0])
    if len(parts) != 2:
        raise ValueError("UGATIT needs pairs of batches (A, B): give a dataset of such pairs, or both arrays.")
    return parts[0], parts[1]
