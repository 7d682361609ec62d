"""The metrics of a training step: scalars by name."""

from collections.abc import Iterable

import keras
import tensorflow as tf

Metrics = dict[str, tf.Tensor]

GENERATOR_METRICS = (
    *(
        f"generator_{domain}/{term}"
        for domain in "AB"
        for term in ("adversarial", "cycle", "identity", "cam", "total", "gradient_norm")
    ),
    "generator/l2",
    "g_loss",
    "rho/min",
    "rho/mean",
    "rho/max",
)


def rho_metrics(variables: Iterable[keras.Variable]) -> Metrics:
    """Computes the least, mean and greatest rho of AdaLIN and LIN among the variables."""
    values = tf.concat([variable.value for variable in variables if variable.name == "rho"], 0)
    return {
        "rho/min": tf.reduce_min(values),
        "rho/mean": tf.reduce_mean(values),
        "rho/max": tf.reduce_max(values),
    }
