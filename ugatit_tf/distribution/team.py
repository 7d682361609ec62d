"""The replicas that train a run together: the batches that each gets, and the facts on which all must agree."""

import contextlib
import dataclasses
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import tensorflow as tf

from ugatit_tf.config import Config
from ugatit_tf.data.image_set import ImageSet
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
        strategy: the strategy of `tf.distribute`.
        workers: the processes that the replicas run in; None: this process alone.

    Attributes:
        size: the number of replicas.
        size_here: the number of replicas in this process.
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
        """Raises a UsageError if the replicas cannot share a batch evenly, or if XLA would have to compile several."""
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
        """Yields the batches of a training, with each part on the device of its replica.

        Args:
            part_of_batches: yields the parts of one replica, given `share` and `device` of `data.pipeline.batches`.
        """
        if self.size == 1:
            yield from part_of_batches(device="/GPU:0" if device.gpus() else None)
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
        """Assigns the chief's values to the variables of all workers."""
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
    """Yields the team of a training.

    Args:
        name: the name of its strategy, as `strategy.choose` returns it.
        workers: the workers for "multi_worker"; None for another strategy.
        facts: returns the values that must be equal on all workers.
        wait: seconds to wait for the workers.

    Raises:
        RunError: A worker does not come, differs, or cannot be connected.
    """
    if not workers:
        yield Team(open_strategy(name))
        return
    with Channel(workers, facts(), wait) as channel:
        strategy = open_strategy(name, workers)
        # The process handles signals until all workers leave: a signal that ended it while it waits for the others
        # would make all of them fail. This follows the strategy, because TensorFlow then takes SIGTERM for itself.
        with StopRequest():
            yield Team(strategy, workers)
            channel.say_goodbye()


class SharedStop:
    """A request to stop that all workers follow after the same step.

    Args:
        strategy: the strategy of the training.
        request: the request to stop this process.
    """

    def __init__(self, strategy: tf.distribute.Strategy, request: StopRequest) -> None:
        self._strategy = strategy
        self._request = request
        self._alone = Team(strategy).size_here == strategy.num_replicas_in_sync
        self._wishes = tf.constant(0.0)

    def agreed(self) -> bool:
        """Returns whether to stop now. All workers call this after each call of the step, and get the same answer.

        With several workers, the answer is that of the previous call, which needs no wait for the devices.
        """
        if self._alone:
            return self._request.requested
        agreed = bool(self._wishes > 0)
        wish = tf.constant(float(self._request.requested))
        wishes = self._strategy.experimental_distribute_values_from_function(lambda _: wish)
        self._wishes = self._strategy.reduce(tf.distribute.ReduceOp.SUM, wishes, axis=None)
        return agreed


def facts(config: Config, image_sets: Mapping[str, ImageSet]) -> dict[str, str]:
    """Returns the values that must be equal on all workers, as texts: code, TensorFlow, flags and images.

    Args:
        config: the run's configuration; the folders of files may differ.
        image_sets: the images of each split.
    """
    groups = {field.name: field.metadata["group"] for field in dataclasses.fields(Config)}
    code = Path(__file__).parents[1]
    versions = {
        "the code of ugatit_tf": _digest(path.read_bytes() for path in sorted(code.rglob("*.py"))),
        "TensorFlow": tf.__version__,
    }
    flags = {
        f"--{name}": str(value)
        for name, value in dataclasses.asdict(config).items()
        if groups[name] != groups["checkpoint_dir"]
    }
    images = {
        split: f"{len(each)} images ({_digest(name.encode(errors='surrogateescape') for name in each.names)})"
        for split, each in image_sets.items()
    }
    return versions | flags | images


def _digest(parts: Iterable[bytes]) -> str:
    checksum = 0
    for part in parts:
        checksum = zlib.crc32(part + b"\0", checksum)
    return f"{checksum:08x}"
