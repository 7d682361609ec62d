"""Replicas of a distribution strategy: the values that they exchange in a step.

Each replica takes a step on its part of the batch, and all replicas update their variables equally. Up to rounding, a
step under a strategy equals a step of one device with the whole batch. To that end, replicas average gradients and
losses, exchange statistics over all images, and draw random numbers by the index of a sample in the whole batch.
Without a strategy there is one replica, and nothing is exchanged.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import keras
import tensorflow as tf

_Nest = TypeVar("_Nest")


def count() -> int:
    """Returns the number of replicas that take a step together."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def index() -> int:
    """Returns the index of the calling replica; call it inside a replica's step."""
    return int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))


def run(step: Callable[..., _Nest], *args: Any) -> _Nest:
    """Runs a step on every replica. Inside a replica's step, runs it on this replica alone.

    Args:
        step: a function that returns equal values on every replica.
        *args: arguments of the step, distributed by the strategy.

    Returns:
        The values that the step returns on the first replica.
    """
    if not tf.distribute.in_cross_replica_context():
        return step(*args)
    strategy = tf.distribute.get_strategy()
    results = strategy.run(step, args)
    return tf.nest.map_structure(lambda result: strategy.experimental_local_results(result)[0], results)


def either(condition: tf.Tensor, first: Callable[[], _Nest], second: Callable[[], _Nest]) -> _Nest:
    """Runs one of two functions, each of which calls `run`, and returns its result.

    Raises:
        ValueError: The caller is inside the step of one of several replicas, as in `fit()`. Replicas cannot exchange
            values inside a condition.
    """
    if count() > 1 and not tf.distribute.in_cross_replica_context():
        raise ValueError("With n_critic, call train_step in the strategy's scope, outside of strategy.run().")
    return tf.cond(condition, first, second)


def mean(values: _Nest) -> _Nest:
    """Averages each tensor of a nest over the replicas; call it inside a replica's step."""
    if count() == 1:
        return values
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)


def gather(rows: tf.Tensor) -> tf.Tensor:
    """Returns the rows of all replicas, `[N * count(), ...]`; call it inside a replica's step."""
    return rows if count() == 1 else tf.distribute.get_replica_context().all_gather(rows, axis=0)


def part(rows: tf.Tensor) -> tf.Tensor:
    """Returns this replica's rows, `[N, ...]`, of rows for the whole batch, `[N * count(), ...]`."""
    if count() == 1:
        return rows
    return tf.split(rows, count())[index()]


def standard_deviation(values: tf.Tensor) -> tf.Tensor:
    """Computes the standard deviation of all values on all replicas, a scalar."""
    centre = mean(tf.reduce_mean(values))
    return tf.sqrt(mean(tf.reduce_mean(tf.square(values - centre))))


def local(variable: keras.Variable) -> tf.Variable:
    """Returns this replica's copy of a variable, to which it can assign without communication.

    The copies stay equal only if all replicas assign equal values.
    """
    copies = tf.distribute.get_strategy().experimental_local_results(variable.value)
    if len(copies) == 1:
        return copies[0]
    return copies[index() % len(copies)]
