"""The workers that train one run together, as TF_CONFIG or Slurm lists them."""

import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Mapping
from typing import NoReturn

import tensorflow as tf

from ugatit_tf.errors import UsageError

_EXAMPLE = '{"cluster": {"worker": ["HOST1:12345", "HOST2:12345"]}, "task": {"type": "worker", "index": 0}}'
_CHIEF, _WORKER = "chief", "worker"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers of a run, and the place of this process among them.

    Attributes:
        addresses: HOST:PORT of each worker. The first is the chief, which alone writes files.
        index: the index of this process in `addresses`.
        resolver: the same for `tf.distribute`.
    """

    addresses: tuple[str, ...]
    index: int
    resolver: tf.distribute.cluster_resolver.ClusterResolver

    @property
    def is_chief(self) -> bool:
        return self.index == 0

    def name(self, index: int) -> str:
        """Returns the name of a worker for messages."""
        return f"worker {index} of {len(self.addresses)} at {self.addresses[index]}"


def names_several() -> bool:
    """Returns whether TF_CONFIG names several workers."""
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        cluster = json.loads(os.environ.get("TF_CONFIG", ""))["cluster"]
        return sum(len(cluster.get(job, ())) for job in (_CHIEF, _WORKER)) > 1
    return False


def resolve() -> Cluster:
    """Returns the cluster of TF_CONFIG or, if that is not set, of Slurm's job step.

    Raises:
        UsageError: Neither is set, or its content is not valid.
    """
    if "TF_CONFIG" in os.environ:
        _check(os.environ["TF_CONFIG"])
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    elif "SLURM_PROCID" in os.environ:
        resolver = _slurm()
    else:
        raise UsageError(f"--strategy multi_worker: TF_CONFIG is not set. On the first of two machines: {_EXAMPLE}")
    jobs = resolver.cluster_spec().as_dict()
    order = [(job, index) for job in (_CHIEF, _WORKER) for index in range(len(jobs.get(job, ())))]
    addresses = tuple(jobs[job][index] for job, index in order)
    return Cluster(addresses, order.index((resolver.task_type, resolver.task_id)), resolver)


def _check(text: str) -> None:
    """Raises a UsageError if a TF_CONFIG is not valid."""
    try:
        problem = _find_problem(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = f"it is not JSON of the form that is asked for ({error})"
    if problem:
        raise UsageError(f"TF_CONFIG: {problem}. A right one, on the first of two machines: {_EXAMPLE}")


def _find_problem(config: Mapping[str, Mapping]) -> str | None:
    jobs, task = config["cluster"], config["task"]
    if unknown := set(jobs) - {_CHIEF, _WORKER}:
        return f"it names jobs other than {_CHIEF} and {_WORKER}: {', '.join(sorted(unknown))}"
    addresses = [address for job in jobs.values() for address in job]
    wrong = [address for address in addresses if not address.rpartition(":")[2].isdecimal()]
    if wrong:
        return f"{wrong[0]!r} is not HOST:PORT"
    if len(set(addresses)) < len(addresses):
        return "two workers have the same address"
    if len(jobs.get(_CHIEF, ())) > 1:
        return "there can be one chief"
    of_this_kind = jobs.get(task["type"], ())
    if not 0 <= int(task["index"]) < len(of_this_kind):
        return f"it has no {task['type']} {task['index']}: it names {len(of_this_kind)} of them, counted from 0"
    return None


def _slurm() -> tf.distribute.cluster_resolver.ClusterResolver:
    tasks = int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))
    try:
        # Slurm itself sets the GPUs that a task sees. The numbers here only count the tasks.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=tasks, gpus_per_task=1, auto_set_gpu=False
        )
        resolver.cluster_spec()  # sets which task this is
    except (RuntimeError, ValueError, OSError) as error:
        raise UsageError(f"--strategy multi_worker: Slurm's variables do not tell the workers ({error}).") from error
    return resolver


def leave() -> NoReturn:
    """Ends this process at once, with exit code 0; call it after the last write and the goodbye of all workers.

    The shutdown of TensorFlow may wait for workers that have gone already: two chiefs still ran minutes after their
    last line.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):
        with contextlib.suppress(OSError, ValueError):  # its reader may be gone
            stream.flush()
    os._exit(0)
