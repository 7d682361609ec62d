"""The replicas that train a run together: what each gets, and what all have to agree on."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import tensorflow as tf

from ugatit_tf.data.pipeline import Batch
from ugatit_tf.distribution.channel import Channel, Facts
from ugatit_tf.distribution.cluster import Cluster
from ugatit_tf.distribution.strategy import open_strategy
from ugatit_tf.errors import UsageError
from ugatit_tf.system import device
from ugatit_tf.system.signals import StopRequest


class Team:
    """The replicas of a strategy, one on each device.

    Args:
        strategy: of `tf.distribute`.
        workers: the processes that they run in; None: this one alone.

    Attributes:
        size: how many replicas there are.
        size_here: how many of them run in this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy, workers: Cluster | None = None) -> None:
        self.strategy = strategy
        self.size = strategy.num_replicas_in_sync
        # The default strategy has no devices of its own.
        self._devices = strategy.extended.worker_devices if self.size > 1 else ()
        self.size_here = max(len(self._devices), 1)
        self._first = workers.index * self.size_here if workers else 0

    def __str__(self) -> str:
        here = f", {self.size_here} of them here" if self.size_here < self.size else ""
        return f"{self.size} replicas share each batch{here}"

    def check(self, batch_size: int, *, jit: bool) -> None:
        """Raises a UsageError where replicas cannot share a batch evenly, or XLA would have to compile several."""
        if jit and self.size > 1:
            raise UsageError("--jit True: is for one device; here are several. Add --strategy none, or leave it out.")
        if batch_size % self.size:
            fewer = batch_size // self.size * self.size
            near = [str(size) for size in (fewer, fewer + self.size) if size]
            raise UsageError(
                f"--batch_size {batch_size}: is that of all devices together, and {self.size} cannot share it evenly. "
                f"Nearest: {' or '.join(near)}."
            )

    def batches(self, part_of_batches: Callable[..., Iterator[Batch]]) -> Iterator[Batch]:
        """The batches of a training, each part where its replica is.

        Args:
            part_of_batches: gives parts by `share` and `device`, as `data.pipeline.batches` has them.
        """
        if self.size == 1:
            yield from part_of_batches(device=device.for_batches())
        parts = {
            self._first + i: part_of_batches(
                share=(self._first + i, self.size), device=self._devices[i] if device.gpus() else None
            )
            for i in range(self.size_here)
        }
        while True:
            batch = {replica: next(part) for replica, part in parts.items()}
            yield tuple(
                self.strategy.experimental_distribute_values_from_function(
                    lambda context, domain=domain, batch=batch: batch[context.replica_id_in_sync_group][domain]
                )
                for domain in range(2)
            )

    def send_state(self, variables: Iterable[tf.Variable]) -> None:
        """Gives the variables of all workers the chief's values."""
        if self.size_here == self.size:
            return

        def of_chief(value: tf.Tensor) -> tf.Tensor:
            is_chief = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
            return value if is_chief else tf.zeros_like(value)

        for variable in variables:
            mine = self.strategy.run(of_chief, (variable.read_value(),))
            variable.assign(self.strategy.reduce(tf.distribute.ReduceOp.SUM, mine, axis=None))


@contextlib.contextmanager
def opened(name: str, workers: Cluster | None, facts: Callable[[], Facts], wait: float) -> Iterator[Team]:
    """A context in which a team is there to train.

    Args:
        name: of its strategy, as `strategy.choose` gives it.
        workers: for "multi_worker".
        facts: tells what has to be the same for all workers.
        wait: seconds to wait for them.

    Raises:
        RunError: where a worker does not come, differs, or cannot be connected.
    """
    if not workers:
        yield Team(open_strategy(name))
        return
    with Channel(workers, facts(), wait) as channel, channel.blaming():
        strategy = open_strategy(name, workers)
        # A request to stop is one until all leave: a process that a signal ended while it waits for the others would
        # fail, and would make them fail. It comes after the strategy, with which TensorFlow takes SIGTERM for itself.
        with StopRequest():
            yield Team(strategy, workers)
            channel.say_goodbye()


class SharedStop:
    """A request to stop that all workers follow after the same step.

    Args:
        strategy: of the training.
        request: to stop this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy, request: StopRequest) -> None:
        self._strategy = strategy
        self._request = request
        self._alone = Team(strategy).size_here == strategy.num_replicas_in_sync
        self._wishes = tf.constant(0.0)

    def agreed(self) -> bool:
        """Whether to stop now. All workers ask after each call of the step, and get the same answer.

        With several, it is that of the call before, which is there without waiting for the devices.
        """
        if self._alone:
            return self._request.requested
        agreed = bool(self._wishes > 0)
        wish = tf.constant(float(self._request.requested))
        wishes = self._strategy.experimental_distribute_values_from_function(lambda _: wish)
        self._wishes = self._strategy.reduce(tf.distribute.ReduceOp.SUM, wishes, axis=None)
        return agreed
