"""Replicas of a distribution strategy: each takes a step on its part of the batch, and they change alike.

A step under a strategy computes what one device does with the whole batch: replicas average gradients and losses, share
what depends on all images, and draw what is random for a sample's place in the whole batch. Without a strategy there is
one replica, and nothing is exchanged.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import keras
import tensorflow as tf

_Nest = TypeVar("_Nest")


def count() -> int:
    """How many replicas take a step together."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def index() -> int:
    """Which of the replicas the caller is, in a replica's step."""
    return int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))


def run(step: Callable[..., _Nest], *args: Any) -> _Nest:
    """Runs a step on every replica, unless the caller is a replica's step itself.

    Args:
        step: returns the same on every replica.
        *args: of the step: values of each replica, as a strategy distributes them.

    Returns:
        What the step returns.
    """
    if not tf.distribute.in_cross_replica_context():
        return step(*args)
    strategy = tf.distribute.get_strategy()
    results = strategy.run(step, args)
    return tf.nest.map_structure(lambda result: strategy.experimental_local_results(result)[0], results)


def either(condition: tf.Tensor, first: Callable[[], _Nest], second: Callable[[], _Nest]) -> _Nest:
    """Runs one of two functions, each of which calls `run`.

    Raises:
        ValueError: for one of several replicas alone, as `fit()` asks it: they can exchange nothing in a condition.
    """
    if count() > 1 and not tf.distribute.in_cross_replica_context():
        raise ValueError("With n_critic, call train_step in the strategy's scope, outside of strategy.run().")
    return tf.cond(condition, first, second)


def mean(values: _Nest) -> _Nest:
    """The means over the replicas of a nest of tensors, in a replica's step."""
    if count() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


def gather(rows: tf.Tensor) -> tf.Tensor:
    """The rows of all replicas, `[N * count(), ...]`, in a replica's step."""
    return rows if count() == 1 else tf.distribute.get_replica_context().all_gather(rows, axis=0)


def part(rows: tf.Tensor) -> tf.Tensor:
    """This replica's part of what was made for the whole batch, `[N * count(), ...]`: rows for its samples."""
    if count() == 1:
        return rows
    return tf.split(rows, count())[index()]


def standard_deviation(values: tf.Tensor) -> tf.Tensor:
    """Of all values of all replicas, a scalar."""
    centre = mean(tf.reduce_mean(values))
    return tf.sqrt(mean(tf.reduce_mean(tf.square(values - centre))))


def local(variable: keras.Variable) -> tf.Variable:
    """This replica's copy of a variable, which can be assigned to without a word to the others.

    The replicas' copies stay equal as long as all assign the same.
    """
    copies = tf.distribute.get_strategy().experimental_local_results(variable.value)
    if len(copies) == 1:
        return copies[0]
    return copies[index() % len(copies)]
